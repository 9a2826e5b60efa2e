"""Recipes packed into model archives, each tried before it is stored."""
