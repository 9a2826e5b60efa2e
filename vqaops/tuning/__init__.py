"""`tune.py`: which of a recipe's settings answer most on this machine, below a limit of latency."""
