"""How the servers are run: settings of nginx, Docker, Kubernetes and Prometheus, and the Ray Serve adapter."""
