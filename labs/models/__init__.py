"""Trained models: their files, their tokenizers, and how they become the course's own models."""
