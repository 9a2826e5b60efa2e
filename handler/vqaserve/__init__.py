"""Visual question answering inside a TorchServe worker."""
