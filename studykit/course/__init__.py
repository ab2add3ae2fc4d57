"""What there is to learn: cards, decks, labs' headers and their integrity. Pure."""
