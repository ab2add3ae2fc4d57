"""studykit: daily review cards whose answers can be run."""

__version__ = "0.1.0"
