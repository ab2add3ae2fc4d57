"""Labs of section 1: core transformer architecture."""
