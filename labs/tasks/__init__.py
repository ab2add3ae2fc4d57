"""What the labs train on: text, toy languages whose entropy is known, recall, English tasks."""
