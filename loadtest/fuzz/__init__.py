"""`make fuzz`: damaged pictures and bodies for a running server."""
