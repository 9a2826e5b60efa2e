"""Documents of any length, asked about in parts and drawn on."""
