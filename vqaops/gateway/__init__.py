"""The gateway: nginx in front of TorchServe, its settings, its keys, and which version a request meets."""
