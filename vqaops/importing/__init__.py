"""Importing: models of other systems, from the Hub or from folders, as recipes."""
