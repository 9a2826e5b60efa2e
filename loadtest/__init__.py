"""Everything that measures or breaks a server."""
