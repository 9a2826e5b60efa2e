"""The API documentation at ``/docs`` of the page; its requests go to the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from vqaops import api_docs
from vqaops.openapi import DOCUMENT

NOTE: Final = """\
This page itself takes no API requests. They are sent to the gateway at {gateway}, which must run (`make gateway`) and
allow the page's origin (`cors_allowed_origins`).
"""


def routes(gateway: str) -> list[Route]:
    """The routes of the documentation; none if Swagger UI is not installed.

    Args:
        gateway: Address of the gateway, ``https://host:port``.
    """
    files = api_docs.files()
    if not files:
        return []
    policy = api_docs.CONTENT_SECURITY_POLICY.replace("connect-src 'self'", f"connect-src 'self' {gateway}")
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    document = _document(files.pop(DOCUMENT.name), gateway)
    return [
        Route("/docs", lambda _: RedirectResponse("docs/", 308)),
        Route("/docs/", lambda _: FileResponse(files["index.html"], headers=headers)),
        Route(f"/docs/{DOCUMENT.name}", lambda _: JSONResponse(document, headers=headers)),
        *(_file(name, path, headers) for name, path in files.items() if name != "index.html"),
    ]


def _file(name: str, path: Path, headers: Mapping[str, str]) -> Route:
    def send(request: Request) -> Response:
        del request
        return FileResponse(path, headers=headers)

    return Route(f"/docs/{name}", send)


def _document(path: Path, gateway: str) -> dict[str, object]:
    """The OpenAPI document with the gateway as its server."""
    document: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    info = dict(document["info"])  # type: ignore[call-overload]
    info["description"] = f"{info['description']}\n{NOTE.format(gateway=gateway)}"
    return {**document, "info": info, "servers": [{"url": gateway, "description": "The gateway"}]}
