"""What TorchServe's management address says of models, for reading only: ``GET /ping``, ``/models`` and below.

The gateway, ``scripts/health.py`` and clients that look for ready workers ask these addresses.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatusOverview
from starlette.responses import Response

from deploy.ray.registry import Served

_MODEL = re.compile(r"/models/(?P<model>[^/]+)(?:/(?P<version>[^/]+))?")


async def describe_models(
    path: str, query: Mapping[str, str], served: Served, handles: Mapping[str, DeploymentHandle]
) -> Response | None:
    """Answer a request for the state of the server or of its models; None if the address is another.

    Args:
        path: The address.
        query: Of its query string, ``customized=true`` asks for what a model says of itself.
        served: What is served.
        handles: The replicas of each application.
    """
    if path.rstrip("/") == "/models":
        return _json({"models": [{"modelName": name, "modelUrl": _archive(name, served)} for name in served]})
    found = _MODEL.fullmatch(path.rstrip("/"))
    if path != "/ping" and not found:
        return None
    states = (await asyncio.to_thread(serve.status)).applications
    if not found:
        healthy = all(_workers(states.get(model["versions"][model["default"]])) for model in served.values())
        return _json({"status": "Healthy" if healthy else "Unhealthy"}, 200 if healthy else 500)
    name, version = found.groups()
    if name not in served:
        return _missing("ModelNotFoundException", f"Model not found: {name}")
    model = served[name]
    wanted = model["versions"] if version == "all" else [version or model["default"]]
    if not set(wanted) <= model["versions"].keys():
        return _missing("ModelVersionNotFoundException", f"Model version: {version} does not exist for model: {name}")
    described = [_version(name, one, states.get(model["versions"][one])) for one in wanted]
    if query.get("customized") == "true":
        for one in described:
            said = await handles[model["versions"][one["modelVersion"]]].describe.remote()
            one["customizedMetadata"] = json.loads(said)
    return _json(described)


def _archive(name: str, served: Served) -> str:
    return f"{name}-{served[name]['default']}.mar"


def _version(name: str, version: str, state: ApplicationStatusOverview | None) -> dict[str, Any]:
    workers = _workers(state)
    return {
        "modelName": name,
        "modelVersion": version,
        "modelUrl": f"{name}-{version}.mar",
        "minWorkers": workers,
        "maxWorkers": workers,
        "workers": [{"id": str(number), "pid": 0, "status": "READY", "startTime": ""} for number in range(workers)],
        # Ray says neither which processes answer, nor how many requests wait; clients expect the names.
        "jobQueueStatus": {"remainingCapacity": 0, "pendingRequests": 0},
        "responseTimeout": 0,
        "startupTimeout": 0,
    }


def _workers(state: ApplicationStatusOverview | None) -> int:
    """The replicas that can answer."""
    return state.deployments["Replica"].replica_states.get("RUNNING", 0) if state else 0


def _missing(kind: str, message: str) -> Response:
    return _json({"code": 404, "type": kind, "message": message}, 404)


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content) + "\n", status, media_type="application/json")
