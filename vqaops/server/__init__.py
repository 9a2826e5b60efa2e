"""One TorchServe process: start it, wait for it, ask it, manage it."""
