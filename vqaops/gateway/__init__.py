"""The gateway: nginx in front of TorchServe, with its settings, API keys, and canary and shadow routes."""
