"""What conversations cost with a model that writes, beside transformers' own ``generate``."""
