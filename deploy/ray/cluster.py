"""Starts and changes what a Ray cluster serves."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.schema import LoggingConfig

from deploy.ray.front import Front
from deploy.ray.registry import NAMESPACE, REGISTRY, Registry
from deploy.ray.replica import Replica
from deploy.ray.scaling import Scaling
from vqaops.errors import ServerError
from vqaops.server.java_command import ALLOCATOR
from vqaops.store import checksums
from vqaops.store.archive import Archive

FRONT = "front"
_QUIET = LoggingConfig(enable_access_log=False, log_level="WARNING")
_SWITCH_SECONDS = 1.0
"""From a new default until the old version ends; each front knows the default within milliseconds."""


def connect(address: str | None = None, cpus: int | None = None) -> None:
    """Join a cluster, or start one of this machine alone that ends with this process.

    Args:
        address: As of ``ray.init``; None starts a cluster.
        cpus: Of a cluster that is started; by default the machine's.
    """
    quiet = {"namespace": NAMESPACE, "configure_logging": False, "log_to_driver": False}
    if address:
        ray.init(address, **quiet)
    else:
        ray.init(num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)


def start_front(host: str, port: int, token: str, limit: int, every_node: bool = False) -> None:
    """Listen for requests.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        token: What every request carries; the cluster gets its SHA-256.
        limit: Bytes of a request's body.
        every_node: Whether each node with replicas listens, or only the head.
    """
    ray.remote(Registry).options(
        name=REGISTRY, namespace=NAMESPACE, num_cpus=0, max_restarts=-1, lifetime="detached", get_if_exists=True
    ).remote()
    location = "EveryNode" if every_node else "HeadOnly"
    serve.start(proxy_location=location, http_options={"host": host, "port": port}, logging_config=_QUIET)
    digest = hashlib.sha256(token.encode()).hexdigest()
    front: Any = Front
    serve.run(front.bind(digest, limit), name=FRONT, route_prefix="/", logging_config=_QUIET)


def promote(archive: Archive, scaling: Scaling, run: Path) -> None:
    """Serve an archive, and make it the default version of its model once it can answer. Other versions stay.

    Args:
        archive: An archive of a model store that every node has under the same path.
        scaling: Its replicas.
        run: The run folder, for the prediction log.

    Raises:
        RecipeError: The archive is not the one in its store's list.
        ServerError: It cannot be loaded; nothing changes.
    """
    config = archive.settings
    app = f"{archive.name}-{archive.version}"
    environment = {**ALLOCATOR, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "VQA_RUN": str(run)}
    replica: Any = Replica
    deployment = replica.options(
        name="Replica",
        max_ongoing_requests=2 * config.batchSize,  # the batch that is computed, and the next one
        max_queued_requests=config.jobQueueSize,
        autoscaling_config={
            "min_replicas": scaling.min_replicas or config.minWorkers,
            "max_replicas": max(scaling.min_replicas or 0, scaling.max_replicas or config.maxWorkers),
            "target_ongoing_requests": config.batchSize,
            "upscale_delay_s": scaling.up_seconds,
            "downscale_delay_s": scaling.down_seconds,
            "metrics_interval_s": min(5.0, scaling.up_seconds),
            "look_back_period_s": min(15.0, 2 * scaling.up_seconds),
        },
        ray_actor_options={
            "num_cpus": config.handler.threads,
            "num_gpus": scaling.gpus,
            "runtime_env": {"working_dir": _package(archive).as_uri(), "env_vars": environment},
        },
        health_check_period_s=5,
        graceful_shutdown_timeout_s=config.responseTimeout,
    )
    try:
        serve.run(deployment.bind(archive.name, archive.version), name=app, route_prefix=None, logging_config=_QUIET)
    except RuntimeError as error:
        with suppress(Exception):
            serve.delete(app)
        raise ServerError(f"{archive.path} cannot be served: {error}") from None
    served = current()
    versions = {**served.get(archive.name, {}).get("versions", {}), archive.version: app}
    _serve({**served, archive.name: {"default": archive.version, "versions": versions}})


def remove(model: str, version: str) -> None:
    """End a version that is not the default. The requests that it has are answered.

    Raises:
        ServerError: It is not served, or it is the default.
    """
    served = current()
    versions = dict(served.get(model, {}).get("versions", {}))
    if version not in versions:
        raise ServerError(f"{model} {version} is not served; served are: {', '.join(versions) or 'none'}")
    if served[model]["default"] == version:
        raise ServerError(f"{model} {version} is the default; promote another version first")
    app = versions.pop(version)
    _serve({**served, model: {**served[model], "versions": versions}})
    time.sleep(_SWITCH_SECONDS)
    serve.delete(app)


def current() -> dict[str, Mapping[str, Any]]:
    """What is served: by model, ``default`` and ``versions``."""
    return dict(ray.get(ray.get_actor(REGISTRY, NAMESPACE).served.remote()))


def _serve(served: Mapping[str, Mapping[str, Any]]) -> None:
    ray.get(ray.get_actor(REGISTRY, NAMESPACE).serve.remote(served))


def _package(archive: Archive) -> Path:
    """The archive under a name that Ray unpacks: it takes ``.zip`` only, and keeps what it has unpacked by name."""
    sha256 = checksums.check(archive.path)
    package = archive.path.parent.resolve() / ".ray" / f"{archive.name}-{archive.version}-{sha256[:16]}.zip"
    package.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        package.hardlink_to(archive.path)
    return package
