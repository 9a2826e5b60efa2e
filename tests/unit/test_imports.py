from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Imports modules of this project where every package that `make serve` does not install is missing.
ALONE = """
import importlib, json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

modules, missing = json.load(sys.stdin)
sys.meta_path.insert(0, Missing())
for module in modules:
    importlib.import_module(module)
"""


def installed_by(distribution: str) -> set[str]:
    """The distribution and all that it needs without extras, by their canonical names."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        for one in map(Requirement, metadata.requires(name) or ()):
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                waiting.append(one.name)
    return found


COMMANDS = ("ask", "build_mar", "exporter", "health", "models", "serve", "tokens")


def test_the_commands_of_a_server_need_no_extra():
    kept = installed_by("vqaserve")
    missing = [
        module
        for module, distributions in metadata.packages_distributions().items()
        if not kept & {canonicalize_name(one) for one in distributions}
    ]
    assert "ruff" in missing
    given = json.dumps([[f"scripts.{command}" for command in COMMANDS], missing])
    done = subprocess.run([sys.executable, "-c", ALONE], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_handler_loads_no_framework_before_a_family_asks_for_it():
    script = "import sys, vqa_handler; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
