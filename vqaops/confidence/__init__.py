"""How sure a model must be: its temperature, and the threshold below which it abstains."""
