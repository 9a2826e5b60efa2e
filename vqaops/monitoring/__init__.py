"""Metrics for Prometheus that TorchServe itself does not export."""
