"""Labs of section 8: exercises, and what each part of a model is for."""
