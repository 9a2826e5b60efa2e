"""Several servers on this machine behind one gateway: what they recall, and what they can answer together."""
