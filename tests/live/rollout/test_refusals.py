"""A refused operation leaves the old version serving, leaves nothing behind, and gives its reason in one line."""

from __future__ import annotations

import subprocess

from tests.support.rollout import ModelsCommand, asking, rewrite
from vqaops.store.archive import Archive

SLOW = {'        return [f"': "        __import__('time').sleep(0.1)\n        return [f\""}
OTHER_ANSWERS = {': {query.question}"': ': {query.question}!"'}


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_archives_that_cannot_be_served_leave_nothing_behind(shared_models: ModelsCommand):
    models, store = shared_models, shared_models.server.state().store
    before = sorted(store.iterdir())
    raising = models.archive("2.0.0", {"        del folder\n": "        raise ValueError('no such weights')\n"})
    line = one_line(models("register", raising))
    assert "dummy 2.0.0 cannot be loaded" in line
    assert "ValueError: no such weights" in line

    too_large = models.archive("2.0.1", {"        del folder\n": "        raise RuntimeError('no room')\n"})
    assert "RuntimeError: no room" in one_line(models("register", too_large))

    silent = models.archive("2.1.0", {'        return [f"': "        raise ValueError('cannot')\n        return [f\""})
    assert "does not answer" in one_line(models("register", silent))

    damaged = models.archive("2.2.0")
    damaged.write_bytes(damaged.read_bytes()[:-200])
    assert "is not a complete archive" in one_line(models("register", damaged))

    changed = models.archive("2.3.0")
    changed.with_name("SHA256SUMS").write_text(f"{'0' * 64}  {changed.name}\n")
    assert "is not what was built" in one_line(models("register", changed))

    assert "is another dummy 1.0.0" in one_line(models("register", models.archive("1.0.0", OTHER_ANSWERS)))
    assert models.versions() == ["1.0.0"]
    assert sorted(store.iterdir()) == before
    assert models.server.client.workers("dummy")[0].status == "READY"


def test_a_registration_that_cannot_be_noted_is_taken_back(shared_models: ModelsCommand):
    models, file = shared_models, shared_models.server.history_file
    before = (file.read_bytes(), models.server.state())
    aside = file.rename(file.with_name("aside"))
    file.mkdir()  # nothing can be appended
    done = models("register", models.archive("2.4.0"))
    file.rmdir()
    aside.rename(file)
    assert done.returncode == 1
    assert models.versions() == ["1.0.0"]
    assert (file.read_bytes(), models.server.state()) == before
    assert not (models.server.state().store / "dummy-2.4.0.mar").exists()


def test_a_version_that_fails_a_gate_is_not_promoted_unless_forced(shared_models: ModelsCommand):
    models = shared_models
    models.json("register", models.archive("3.0.0", {**SLOW, **OTHER_ANSWERS}, handler=""))
    refused = models("promote", "3.0.0")
    assert refused.returncode == 1
    assert "3.0.0 is not promoted; 1.0.0 goes on answering" in refused.stdout
    gates = [line.split()[:2] for line in refused.stdout.splitlines()[:-1]]
    assert gates == [["passed", "smoke"], ["failed", "agreement"], ["failed", "accuracy"], ["failed", "latency"]]
    assert models.default() == "1.0.0"
    event = models.history()[-1]
    assert event["action"] == "refuse"
    figures = {gate["gate"]: gate["value"] for gate in event["figures"]["gates"]}
    assert (figures["agreement"], figures["accuracy"]) == (0, 0)
    assert figures["latency"] > 1.5

    assert models("promote", "3.0.0", "--force").returncode == 0
    assert models.default() == "3.0.0"
    assert models.history()[-1]["figures"]["forced"]
    models.json("rollback")
    models.json("remove", "3.0.0")


def test_a_version_whose_archive_was_built_again_is_not_promoted(shared_models: ModelsCommand):
    models, store = shared_models, shared_models.server.state().store
    models.json("register", models.archive("5.0.0"))
    registered = models.history()
    placed = Archive(store / "dummy-5.0.0.mar", "dummy", "5.0.0")
    rewrite(placed, "vqaserve/families/dummy.py", OTHER_ANSWERS)  # as build_mar.py --replace does
    line = one_line(models("promote", "5.0.0"))
    assert f"{placed.path} was built again since dummy 5.0.0 was registered" in line
    assert "scripts/models.py remove dummy 5.0.0" in line
    assert models.default() == "1.0.0"
    assert models.history() == registered
    models.json("remove", "5.0.0")
    models.json("register", placed.path)
    models.json("promote", "5.0.0", "--force")
    assert models.history()[-1]["sha256"] == placed.sha256 == models.server.state().version("dummy", "5.0.0").sha256
    models.json("rollback")
    models.json("remove", "5.0.0")


def test_a_version_that_clients_ask_for_by_number_is_not_removed_before_they_stop(shared_models: ModelsCommand):
    models = shared_models
    models.json("register", models.archive("4.0.0"))
    with asking(models.server, 1, path="/4.0.0", pause=0.1) as traffic:
        assert "4.0.0 is still named by clients" in one_line(models("remove", "4.0.0", "--patience", "1"))
    assert traffic.wrong == []
    models.json("remove", "4.0.0")
    assert models.versions() == ["1.0.0"]


def test_the_default_is_not_removed_and_what_does_not_exist_is_named(shared_models: ModelsCommand):
    models = shared_models
    assert "is the default: promote another version first" in one_line(models("remove", "1.0.0"))
    for version in ("9.0.0", "all", ".."):  # TorchServe's `all` is no version
        refused = one_line(models("promote", version))
        assert f"dummy {version} is not registered; registered versions of dummy: 1.0.0" in refused
    for name in ("..", "a,b"):
        assert f"{name} is not registered; registered models: dummy" in one_line(models("promote", name, "1.0.0"))
    assert "is the first default" in one_line(models("rollback"))
