"""Fixtures for every test; each stands beside the helpers that it belongs to."""

from __future__ import annotations

# In the order of their imports: pytest rewrites the assertions of a plugin only before anything else imports it.
pytest_plugins = [
    "tests.support.groups",
    "tests.support.archives",
    "tests.support.recipes",
    "tests.support.servers",
    "tests.support.gateways",
    "tests.support.rollout",
    "tests.support.ray_servers",
    "tests.support.writers",
    "tests.support.published",
    "tests.support.browsers",
    "tests.tiny.kinds",
]
