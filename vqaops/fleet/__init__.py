"""Versions on several machines: the same change on one machine after another."""
