"""The same archives behind Ray Serve: ``python -m deploy.ray``, see docs/how-to/ray.md."""
