"""The parts of the trainer; ``scripts/train.py`` is its command line."""
