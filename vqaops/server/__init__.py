"""One TorchServe server: starting, stopping, clients, tokens, and its management API."""
