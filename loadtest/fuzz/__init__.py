"""`make fuzz`: damaged and unusual requests for a running server."""
