"""Labs that let a learner take any part out of a model, or swap it, and see what becomes of it."""
