"""Search for the fastest settings of a recipe on this machine; ``scripts/tune.py`` is its command."""
