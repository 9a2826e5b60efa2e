"""The interactive API documentation: Swagger UI with our OpenAPI document, for the gateway and the chat page."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from vqaops.openapi import DOCUMENT
from vqaops.paths import DEPLOY

PAGE: Final = DEPLOY / "api-docs"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from another host; Swagger UI sets styles inline."""
_OURS: Final = ("index.html", "start.js")
_SWAGGER_UI: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


def files() -> dict[str, Path]:
    """The files by their names below ``/docs/``; empty if Swagger UI is not installed.

    The package is a Flask extension, which is not imported: of the wheels with Swagger UI's files, it is the one that
    follows each release and has its license.
    """
    found = find_spec("flask_swagger_ui")
    if not found or not found.submodule_search_locations:
        return {}
    dist = Path(found.submodule_search_locations[0]) / "dist"
    return {
        **{name: PAGE / name for name in _OURS},
        **{name: dist / name for name in _SWAGGER_UI},
        DOCUMENT.name: DOCUMENT,
    }
