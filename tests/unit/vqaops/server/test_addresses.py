from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from vqaops.errors import ServerError
from vqaops.server.endpoints import Addresses
from vqaops.server.ports import SOCKET_PATH_LIMIT, check_socket, ports_of


def test_ports_are_those_of_the_properties_or_torchserves_defaults():
    ports = ports_of({"inference_address": "http://127.0.0.1:9000", "management_address": "https://host", "x": "1"})
    assert ports == {
        "grpc_inference_port": 7070,
        "grpc_management_port": 7071,
        "inference_address": 9000,
        "management_address": 443,
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inference_address", "http://127.0.0.1:eighty"),
        ("inference_address", "http://127.0.0.1:99999"),
        ("grpc_inference_port", "7070a"),
        ("grpc_inference_port", ""),
        ("metrics_address", "http://[::1"),
    ],
)
def test_a_port_that_is_no_number_is_named_with_its_property(key: str, value: str):
    with pytest.raises(ServerError, match=f"{key}=.* names no port"):
        ports_of({key: value})


@pytest.mark.parametrize("value", ["127.0.0.1:8080", "ftp://host:21", "http://", "http://[::1", "8080"])
def test_an_address_that_is_neither_http_nor_a_socket_is_refused(value: str):
    with pytest.raises(ServerError, match=r"inference_address=.* is no address"):
        Addresses.of({"inference_address": value})


def test_an_address_that_is_not_set_is_torchserves_default():
    assert Addresses.of({"inference_address": "http://h:1/"}) == Addresses(inference="http://h:1")


def test_a_sockets_path_is_counted_in_bytes(tmp_path: Path):
    short = Path("/tmp") / ("ü" * 47 + "x.sock")
    assert len(str(short)) < SOCKET_PATH_LIMIT
    check_socket(short)
    with pytest.raises(ServerError, match="too long for a unix socket"):
        check_socket(Path("/tmp") / ("ü" * 55))


@pytest.mark.parametrize("folder", ["/srv/a b", "/srv/it's", "/srv/$(touch x)", '/srv/"q"', "/srv/räume;ls"])
def test_a_socket_and_a_url_for_curl_are_quoted_for_the_shell(folder: str):
    addresses = Addresses.of({"inference_address": f"unix:{folder}/inference.sock"})
    url = f"{addresses.inference}/predictions/m?a=1&b=2"
    assert shlex.split(addresses.curl(url)) == ["--unix-socket", f"{folder}/inference.sock", url]
