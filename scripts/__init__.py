"""Commands around a server: build, serve, train, convert, evaluate."""
