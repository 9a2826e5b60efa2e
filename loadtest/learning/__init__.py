"""Whether a model learns from the people who use it: a simulated audience on the real page, then the whole loop."""
