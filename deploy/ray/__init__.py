"""The same archives behind Ray Serve: ``python -m deploy.ray``, see docs/how-to/ray.md."""

import os
import sys

if "ray" not in sys.modules:  # the command; Ray reads these when it is imported, and passes them on to its processes
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Whoever reaches Ray's own ports, which listen on all addresses, could run code.
    os.environ.setdefault("RAY_AUTH_MODE", "token")
