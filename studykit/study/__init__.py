"""Studying without a terminal: what the screens and the line-by-line commands have in common."""
