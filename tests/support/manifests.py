"""Kubernetes manifests, rendered by the real kustomize in kubectl."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from vqaops.paths import DEPLOY

KUBERNETES = DEPLOY / "kubernetes"
IMAGE = "registry.example/vqaserve:1.0.0"
Manifest = dict[str, Any]


def render(folder: Path, resource: str, components: Sequence[str] = ()) -> list[Manifest]:
    """Everything that a user's kustomization applies: one of our resources, components of ours, and an image.

    Args:
        folder: Where the kustomization is written.
        resource: A folder below ``deploy/kubernetes``.
        components: Names below ``deploy/kubernetes/components``.
    """
    kubectl = Path(sys.executable).with_name("kubectl")
    if not kubectl.exists():
        pytest.skip("kubectl is not installed: make install")
    ours = os.path.relpath(KUBERNETES.resolve(), folder.resolve())  # kustomize takes no absolute paths
    name, _, tag = IMAGE.rpartition(":")
    kustomization = {
        "namespace": "vqaserve",
        "resources": [f"{ours}/{resource}"],
        "components": [f"{ours}/components/{one}" for one in components],
        "images": [{"name": "vqaserve", "newName": name, "newTag": tag}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # deprecations
    return list(yaml.safe_load_all(done.stdout))


def the(manifests: Sequence[Manifest], kind: str) -> Manifest:
    """The only manifest of a kind."""
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


def pod_spec(manifest: Manifest) -> Manifest:
    """The pod that a Deployment or a ServingRuntime makes."""
    return manifest["spec"]["template"]["spec"] if manifest["kind"] == "Deployment" else manifest["spec"]


def containers(manifests: Sequence[Manifest]) -> Iterator[Manifest]:
    """Every container, initial ones included."""
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "ServingRuntime"):
            pod = pod_spec(manifest)
            yield from [*pod.get("initContainers", []), *pod["containers"]]
