"""A canary and the promotion that follows it; nginx's part is in tests/deploy/test_gateway_canary.py."""

from __future__ import annotations

from scripts.nginx.gateway import Gateway
from scripts.nginx.routes import Route
from tests.live.rollout.conftest import Models


def test_a_promotion_ends_the_models_canary(models: Models):
    gateway = Gateway(models.server.run)
    gateway.folder.mkdir()
    gateway.routes.set("dummy", Route("1.1.0", 0.1, "canary"))
    gateway.routes.set("other", Route("3.0.0", 0.5, "canary"))
    assert models("register", models.archive("1.1.0")).returncode == 0
    done = models("promote", "1.1.0")
    assert done.returncode == 0, done.stderr
    assert set(gateway.routes.all()) == {"other"}
    assert [event["action"] for event in models.history()][-2:] == ["promote", "end canary"]
