"""Section 2: BERT and RoBERTa, what seeing both sides is worth and how such models are trained."""
