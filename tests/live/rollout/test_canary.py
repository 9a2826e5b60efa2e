"""A canary and the promotion that follows it; nginx's part is in tests/deploy/test_gateway_canary.py."""

from __future__ import annotations

from tests.support.rollout import ModelsCommand
from vqaops.gateway.nginx import Gateway
from vqaops.gateway.routes import Route
from vqaops.server.management import Management


def test_a_promotion_ends_the_models_canary(models: ModelsCommand):
    gateway = Gateway(models.server.run)
    gateway.folder.mkdir()
    gateway.routes.set("dummy", Route("1.1.0", 0.1, "canary"))
    gateway.routes.set("other", Route("3.0.0", 0.5, "canary"))
    assert models("register", models.archive("1.1.0")).returncode == 0
    done = models("promote", "1.1.0")
    assert done.returncode == 0, done.stderr
    assert set(gateway.routes.all()) == {"other"}
    assert [event["action"] for event in models.history()][-2:] == ["promote", "end canary"]


def test_removals_and_rollbacks_end_canaries_and_a_rollback_that_was_cut_short_is_gone_on_with(models: ModelsCommand):
    gateway = Gateway(models.server.run)
    gateway.folder.mkdir()
    models.json("register", models.archive("1.1.0"))
    models.json("promote", "1.1.0")
    gateway.routes.set("dummy", Route("1.1.0", 0.1, "canary"))
    models.json("remove", "1.0.0")
    assert set(gateway.routes.all()) == {"dummy"}, "the canary was another version"
    gateway.routes.set("dummy", Route("1.0.0", 0.1, "shadow"))
    assert models("remove", "1.0.0").returncode == 1
    assert gateway.routes.all() == {}

    Management(models.server.client).register("dummy-1.0.0.mar")  # the state that a killed rollback leaves
    assert models.ready() == {"1.0.0": 1, "1.1.0": 1}
    refused = models("remove", "1.1.0", "--force")
    assert refused.returncode == 1
    assert "the other versions of dummy were registered by other means" in refused.stderr
    gateway.routes.set("dummy", Route("1.1.0", 0.1, "canary"))
    models.json("rollback")
    assert models.default() == "1.0.0"
    assert gateway.routes.all() == {}
    state = models.server.state()
    assert state is not None
    assert (state.models["dummy"].default, set(state.models["dummy"].versions)) == ("1.0.0", {"1.0.0", "1.1.0"})
