"""What to ask now, and was it right: schedule, queue, grading, sitting. Pure."""
