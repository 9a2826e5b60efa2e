"""Renders ``nginx.conf`` from ``deploy/gateway/nginx.conf.template``, the settings and the addresses of TorchServe."""

from __future__ import annotations

import getpass
import json
import os
import re
import string
import subprocess
import unicodedata
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from vqaops import api_docs
from vqaops.errors import ServerError
from vqaops.gateway.balancing import ERRORS, FAILOVER, balancing
from vqaops.gateway.certificate import Certificate
from vqaops.gateway.settings import GatewaySettings, scheme_of
from vqaops.paths import DEPLOY

GATEWAY_FILES = DEPLOY / "gateway"
BODY_SECONDS = 15
"""Longest pause between two reads of a request's body."""
_CONNECT = 2_000
"""Longest time for a connection to a machine, in milliseconds."""
_AGAIN = 10_000
"""Time in which a request may be sent to another machine, in milliseconds."""
CHECKS = 'if ($methods = "") { return 404; } if ($preflight) { return 204; } if ($allowed = 0) { return 405; }'
KEY_CHECK = 'if ($key_name = "") { return 401; }'
NO_SERVER = "127.0.0.1:1 down"
"""An upstream that nginx never connects to."""


class _Template(string.Template):
    delimiter = "%"  # nginx itself uses `$` and `@`


@dataclass(frozen=True, slots=True)
class Backend:
    """The servers behind the gateway.

    Attributes:
        upstreams: ``unix:/path``, ``http://host:port`` or ``https://host:port``, all of one scheme.
        management: TorchServe's management address; None if the upstreams are gateways or other machines.
        token_file: TorchServe's ``key_file.json``; None if TorchServe needs no token.
        body_bytes: The largest request body that TorchServe accepts.
    """

    upstreams: tuple[str, ...]
    management: str | None
    token_file: Path | None
    body_bytes: int

    @property
    def is_gateway(self) -> bool:
        """Whether the upstreams are gateways."""
        return scheme_of(self.upstreams[0]) == "https"


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
    burst = f" burst={settings.burst} nodelay" if settings.burst else ""  # nginx refuses burst=0
    several = f" {FAILOVER}" if len(backend.upstreams) > 1 else ""
    servers = [_server(one) for one in backend.upstreams]
    scheme = "https" if backend.is_gateway else "http"
    chosen = balancing(settings.balance, servers, scheme, settings.upstream_connections)
    return template.substitute(
        _status_pages(backend),
        **chosen,
        **_cross_origin(settings.cors_allowed_origins),
        docs_files=" ".join(f'"/docs{_below(name)}" "{escape(path)}";' for name, path in api_docs.files().items()),
        docs_policy=api_docs.CONTENT_SECURITY_POLICY,
        module=escape(javascript_module()),
        # Only this user may read TorchServe's token and sockets. Started by root, nginx would switch to another.
        user=f'user "{escape(getpass.getuser())}";' if os.geteuid() == 0 else "",
        folder=escape(folder),
        scripts=escape(GATEWAY_FILES),
        keys=escape(keys),
        token_file=escape(backend.token_file) if backend.token_file else "",
        rate=f"{settings.requests_per_minute}r/m",
        retry_after=-(-60 // settings.requests_per_minute),
        limits=f"limit_req zone=requests{burst}; limit_conn connections {settings.connections};",
        errors=ERRORS,
        openai_errors="js_header_filter chat.startReply; js_body_filter chat.wrapError;",
        checks=CHECKS,
        checks_with_key=f"{CHECKS} {KEY_CHECK}",
        servers=" ".join(f"server {one}{several};" for one in servers),
        trial_servers=" ".join(f"server {one} max_fails=0{chosen['trial_bound']};" for one in servers),
        scheme=scheme,
        # Another gateway checks the client's key; TorchServe checks its own token, or none.
        authorization="$http_authorization" if backend.is_gateway else "$inference_token",
        # Without a valid token TorchServe would answer 400, and clients do not retry a 400.
        token_needed='if ($inference_token = "") { return 503; }' if backend.token_file else "",
        upstream_tls=_upstream_tls(settings, backend) if backend.is_gateway else "",
        listen=" ".join(
            [
                *(f"listen {address} ssl http2;" for address in settings.listen),
                *(f"listen {address};" for address in settings.listen_http),
            ]
        ),
        certificate=escape(certificate.chain),
        certificate_key=escape(certificate.key),
        predict_model=settings.predict_model or "",
        predict_methods="POST" if settings.predict_model else "",
        body_bytes=backend.body_bytes,
        body_seconds=BODY_SECONDS,
        quit_seconds=settings.answer_seconds + BODY_SECONDS,
        answer_seconds=settings.answer_seconds,
        **_times(1000 * settings.answer_seconds),
    )


def _times(answer: int) -> dict[str, str]:
    """The times for an answer of so many milliseconds.

    A canary has half of them, and so has the default version after it; in each half, two machines may be tried in vain
    before the third.
    """
    half = answer // 2
    times = {
        "connect": min(_CONNECT, answer // 6),
        "again": min(_AGAIN, answer),
        "half_answer": half,
        "half_again": min(_AGAIN, half),
    }
    return {name: f"{time}ms" for name, time in times.items()}


def escape(text: str | Path) -> str:
    """A text as it stands between double quotes in nginx's configuration.

    Raises:
        ServerError: The text holds a control character, or ``$``, which nginx cannot escape.
    """
    plain = str(text)
    if refused := re.search(r"[\x00-\x1f\x7f$]", plain):
        name = unicodedata.name(refused[0], "a control character")
        raise ServerError(
            f"{plain!r} holds {refused[0]!r} (U+{ord(refused[0]):04X} {name}), which nginx's configuration cannot "
            "express; choose a path without it"
        )
    return plain.replace("\\", "\\\\").replace('"', '\\"')


def _status_pages(backend: Backend) -> dict[str, str]:
    """Health, metadata and the choice of a model: a script asks the management address; another gateway does it all."""
    pages = {"live": "live", "ready": "ready", "server": "server", "model_list": "list", "model": "model"}
    ask_script = {name: f"js_content models.{function};" for name, function in pages.items()}
    ask_script["chat"] = "js_content chat.choose;"
    ask_gateway = dict.fromkeys(ask_script, "proxy_pass https://torchserve$path;")
    server = {"name": "vqaserve", "version": version("vqaserve"), "extensions": ["binary_tensor_data"]}
    return {
        **(ask_gateway if backend.is_gateway else ask_script),
        "status_methods": "GET, HEAD" if backend.is_gateway or backend.management else "",
        "management": _server(backend.management) if backend.management else NO_SERVER,
        "with_management": "1" if backend.management else "",
        "server_metadata": escape(json.dumps(server)),
    }


def _below(name: str) -> str:
    """The path of a file of the documentation below ``/docs``."""
    return "" if name == "index.html" else f"/{name}"


def _cross_origin(origins: tuple[str, ...]) -> dict[str, str]:
    """The origins whose pages may send requests from a browser; ``*`` is all."""
    every = "*" in origins
    return {
        "cors_default": "*" if every else "",
        "cors_origins": "" if every else " ".join(f'"{escape(origin)}" $http_origin;' for origin in origins),
        "cors_vary": "Origin" if origins and not every else "",
    }


def _server(upstream: str) -> str:
    return f'"{escape(upstream if upstream.startswith("unix:") else urlsplit(upstream).netloc)}"'


def _upstream_tls(settings: GatewaySettings, backend: Backend) -> str:
    name = settings.upstream_name or urlsplit(backend.upstreams[0]).hostname
    return (
        f'proxy_ssl_trusted_certificate "{escape(settings.upstream_ca)}"; proxy_ssl_verify on; '
        "proxy_ssl_verify_depth 3; "
        f"proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name {name};"
    )


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
