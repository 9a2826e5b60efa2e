"""Evaluation of a model's answers: predictions, scores and rewording."""
