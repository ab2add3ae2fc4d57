"""Section 6: four mental models, held against real models."""
