"""What a recipe's ``auto`` means on this machine, measured before the workers start.

The threshold below which an answer is unsure is another calibration, ``vqaops.confidence``.
"""
