"""The loop from feedback to a new version: export, fine-tuning, evaluation, build, registration, promotion."""
