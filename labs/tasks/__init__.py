"""What the labs train on: text and toy languages whose entropy is known."""
