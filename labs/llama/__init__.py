"""Labs of section 5: the Llama family."""
