"""Renders ``nginx.conf`` from ``deploy/gateway/nginx.conf.template``, the settings and the addresses of TorchServe."""

from __future__ import annotations

import getpass
import os
import re
import string
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vqaops.errors import ServerError
from vqaops.gateway.certificate import Certificate
from vqaops.gateway.settings import GatewaySettings, scheme_of
from vqaops.paths import ROOT

GATEWAY_FILES = ROOT / "deploy" / "gateway"
BODY_SECONDS = 15
"""Longest pause between two reads of a request's body."""
ERRORS = """error_page 400 401 403 404 405 413 414 429 500 501 502 503 504 /error;
error_page 494 =431 /error;
error_page 495 496 497 =400 /error;"""


class _Template(string.Template):
    delimiter = "%"  # nginx itself uses `$` and `@`


@dataclass(frozen=True, slots=True)
class Backend:
    """The servers behind the gateway.

    Attributes:
        upstreams: ``unix:/path``, ``http://host:port`` or ``https://host:port``, all of one scheme.
        token_file: TorchServe's ``key_file.json``; None if TorchServe needs no token.
        body_bytes: The largest request body that TorchServe accepts.
    """

    upstreams: tuple[str, ...]
    token_file: Path | None
    body_bytes: int


def render(settings: GatewaySettings, certificate: Certificate, backend: Backend, folder: Path, keys: Path) -> str:
    """The whole ``nginx.conf``.

    Args:
        settings: The gateway's settings.
        certificate: The certificate for TLS.
        backend: The servers behind the gateway.
        folder: For nginx's pid, logs and temporary files.
        keys: The folder of API keys.

    Raises:
        ServerError: nginx or its JavaScript module is not installed, or a path cannot be written in its configuration.
    """
    template = _Template((GATEWAY_FILES / "nginx.conf.template").read_text(encoding="utf-8"))
    scheme = scheme_of(backend.upstreams[0])
    several = " max_fails=2 fail_timeout=5s" if len(backend.upstreams) > 1 else ""
    return template.substitute(
        module=javascript_module(),
        # Only this user may read TorchServe's token and sockets. Started by root, nginx would switch to another.
        user=f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
        folder=_path(folder),
        scripts=_path(GATEWAY_FILES),
        keys=_path(keys),
        token_file=_path(backend.token_file) if backend.token_file else "",
        rate=f"{settings.requests_per_minute}r/m",
        retry_after=-(-60 // settings.requests_per_minute),
        limits=(
            f"limit_req zone=requests burst={settings.burst} nodelay; limit_conn connections {settings.connections};"
        ),
        errors=" ".join(ERRORS.split("\n")),
        servers=" ".join(f"server {_server(one)}{several};" for one in backend.upstreams),
        trial_servers=" ".join(f"server {_server(one)} max_fails=0;" for one in backend.upstreams),
        scheme=scheme,
        # Another gateway checks the client's key; TorchServe checks its own token, or none.
        authorization="$http_authorization" if scheme == "https" else "$token",
        # Without a valid token TorchServe would answer 400, and clients do not retry a 400.
        token_needed='if ($token = "") { return 503; }' if backend.token_file else "",
        upstream_tls=_upstream_tls(settings, backend) if scheme == "https" else "",
        listen=" ".join(f"listen {address} ssl http2;" for address in settings.listen),
        certificate=_path(certificate.chain),
        certificate_key=_path(certificate.key),
        body_bytes=backend.body_bytes,
        body_seconds=BODY_SECONDS,
        quit_seconds=settings.answer_seconds + BODY_SECONDS,
        answer_seconds=settings.answer_seconds,
        half_answer=f"{500 * settings.answer_seconds}ms",
    )


def _server(upstream: str) -> str:
    return upstream if upstream.startswith("unix:") else urlsplit(upstream).netloc


def _upstream_tls(settings: GatewaySettings, backend: Backend) -> str:
    name = settings.upstream_name or urlsplit(backend.upstreams[0]).hostname
    return (
        f"proxy_ssl_trusted_certificate {_path(settings.upstream_ca)}; proxy_ssl_verify on; proxy_ssl_verify_depth 3; "
        f"proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name {name};"
    )


def _path(path: Path) -> str:
    text = str(path)
    if not re.fullmatch(r"[\w./+:-]+", text, re.ASCII):
        raise ServerError(f"the path {text!r} cannot stand in nginx's configuration; use letters, digits and ./+:-_")
    return text


def javascript_module() -> Path:
    """The path of nginx's JavaScript module.

    Raises:
        ServerError: nginx or the module is not installed.
    """
    try:
        build = subprocess.run(["nginx", "-V"], capture_output=True, text=True).stderr
    except FileNotFoundError:
        raise ServerError(
            "nginx is not installed; install version 1.22 or newer: apt-get install nginx libnginx-mod-http-js"
        ) from None
    where = re.search(r"--modules-path=(\S+)", build)
    module = Path(where[1] if where else "/usr/lib/nginx/modules") / "ngx_http_js_module.so"
    if not module.exists():
        raise ServerError(f"{module} is missing; install it: apt-get install libnginx-mod-http-js")
    return module
