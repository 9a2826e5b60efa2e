"""The settings in ``deploy/gateway/gateway.yaml``; unknown keys are refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from vqaops.errors import ServerError
from vqaops.gateway.balancing import Balance
from vqaops.store.names import ModelName
from vqaserve.errors import RecipeError
from vqaserve.validation import FrozenModel
from vqaserve.yaml_files import read_yaml, validate_settings

_HOST = r"([A-Za-z0-9_.\-]+|\[[0-9a-fA-F:]+\])"
Address = Annotated[str, Field(pattern=rf"^{_HOST}:\d{{1,5}}$")]
LoopbackAddress = Annotated[str, Field(pattern=r"^(127(\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}$")]
Upstream = Annotated[str, Field(pattern=rf"^(https?://{_HOST}:\d{{1,5}}|unix:/.+)$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]+$")]
Positive = Annotated[int, Field(gt=0)]
_ORIGIN = re.compile(rf"https?://{_HOST}(:\d{{1,5}})?")


class GatewaySettings(FrozenModel):
    """The settings and their defaults; ``deploy/gateway/gateway.yaml`` gives the reasons.

    Attributes:
        listen: Addresses with ports, all with TLS.
        listen_http: Loopback addresses with ports, without TLS: for a proxy on the same machine that ends TLS itself.
        certificate: PEM file with the chain of certificates; without it the gateway signs one itself.
        certificate_key: PEM file with its private key.
        requests_per_minute: Rate of each API key.
        burst: Requests above the rate that pass at once.
        connections: Open requests of each API key.
        answer_seconds: Seconds that an answer may take.
        cors_allowed_origins: Origins whose pages may send requests from a browser, such as
            ``https://app.example.org``; ``*`` allows all.
        predict_model: Model that ``POST /predict`` asks; by default the address does not exist.
        upstreams: Gateways or TorchServes to pass requests to; by default the TorchServe of the run folder.
        balance: Which of several upstreams gets a request: ``least_busy``, or with ``pictures`` the one that has
            seen the picture.
        upstream_connections: Open requests of an upstream above which ``pictures`` passes its pictures to the next one.
        upstream_name: Name that the certificates of all upstreams hold; by default the first one's host name.
        upstream_ca: PEM file with the authorities that signed them.
        keys: Folder of the API keys; by default in the run folder.
    """

    listen: Annotated[tuple[Address, ...], Field(min_length=1)] = ("127.0.0.1:8443",)
    listen_http: tuple[LoopbackAddress, ...] = ()
    certificate: Path | None = None
    certificate_key: Path | None = None
    requests_per_minute: Positive = 600
    burst: Annotated[int, Field(ge=0)] = 60
    connections: Positive = 32
    answer_seconds: Positive = 60
    cors_allowed_origins: tuple[str, ...] = ()
    predict_model: ModelName | None = None
    upstreams: tuple[Upstream, ...] = ()
    balance: Balance = "least_busy"
    upstream_connections: Positive = 16
    upstream_name: HostName | None = None
    upstream_ca: Path = Path("/etc/ssl/certs/ca-certificates.crt")
    keys: Path | None = None

    @field_validator("upstreams")
    @classmethod
    def _have_one_scheme(cls, upstreams: tuple[str, ...]) -> tuple[str, ...]:
        if len({scheme_of(one) for one in upstreams}) > 1:
            raise ValueError("gateways (https://) and TorchServes (http://, unix:) are mixed; list one kind")
        return upstreams

    @field_validator("cors_allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError("an origin is scheme://host or scheme://host:port without a path, or '*' for all")
        return origins

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key belong together; set both or neither")
        return self

    @classmethod
    def read(cls, path: Path) -> GatewaySettings:
        """Read a YAML file; paths in it are relative to its folder.

        Raises:
            ServerError: The file is missing, cannot be read, is not YAML, or does not validate.
        """
        try:
            content = read_yaml(path)
            settings = validate_settings(cls, {} if content is None else content, str(path))
        except RecipeError as error:
            raise ServerError(f"{error}; deploy/gateway/gateway.yaml shows every setting") from None
        folder = path.resolve().parent
        paths = {name: folder / value for name, value in settings if isinstance(value, Path)}
        return settings.model_copy(update=paths)


def scheme_of(upstream: str) -> str:
    """``https`` for another gateway, ``http`` for a TorchServe on a port or a unix socket."""
    return "https" if urlsplit(upstream).scheme == "https" else "http"
