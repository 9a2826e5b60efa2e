"""What Prometheus reads beside TorchServe's own metrics."""
