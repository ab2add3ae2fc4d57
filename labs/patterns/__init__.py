"""Labs of section 7: what all transformers share."""
