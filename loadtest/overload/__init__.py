"""`make overload`: more requests than a server can answer, and connections that only cost it."""
