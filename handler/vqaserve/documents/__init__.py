"""Documents: their pages, and what was found on them."""
