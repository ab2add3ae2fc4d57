"""Labs of section 3: the GPT family."""
