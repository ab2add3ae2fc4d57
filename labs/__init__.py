"""The labs of the course: one experiment a file, one folder a section, and what they share."""
