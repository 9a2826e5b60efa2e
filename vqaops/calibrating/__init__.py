"""What a recipe's ``auto`` means on this machine, measured before the workers start."""
