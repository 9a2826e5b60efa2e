"""Training of the modular family; ``scripts/train.py`` is its command."""
