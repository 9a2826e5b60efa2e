"""Files that outlive a server: archives, their checksums, the served versions, and the history of changes."""
