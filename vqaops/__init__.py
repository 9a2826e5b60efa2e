"""The library for running a server: archives, TorchServe, versions, the gateway, training, importing models."""
