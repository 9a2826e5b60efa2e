"""`make overload`: ten times more requests than a server can answer, and connections that only cost resources."""
