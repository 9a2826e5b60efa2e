"""What outlives a server: archives, their checksums, what is served, and the history of changes."""
