"""The command ``python -m deploy.ray``."""

from __future__ import annotations

import secrets
import signal
import threading
from pathlib import Path
from typing import Annotated

import psutil
import ray
import typer
from ray import serve as ray_serve

from deploy.ray import cluster
from deploy.ray.scaling import Scaling, with_scaling_options
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.paths import CONFIG, RUN, resolved
from vqaops.server.key_file import KeyFile
from vqaops.server.properties import read_properties, write_properties
from vqaops.server.run_folder import RunFolder
from vqaops.store.archive import Archive

app = typer.Typer(no_args_is_help=True, add_completion=False)
console = new_console()

RAY_RUN = RUN / "ray"

Run = Annotated[
    Path, typer.Option(help="Run folder: token, addresses and pid, as the commands of TorchServe read them.")
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster, such as 127.0.0.1:6379. By default one is started.")
]


@app.command()
@with_scaling_options
def serve(
    archives: Annotated[
        list[Path], typer.Argument(help="Archives of one model store; the last of a model is its default.")
    ],
    address: Address = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    every_node: Annotated[
        bool, typer.Option("--every-node", help="Listen on each node with replicas, not only on the head.")
    ] = False,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="CPUs of a cluster that is started; by default the machine's.")
    ] = None,
    run: Run = RAY_RUN,
    *,
    scaling: Scaling,
) -> None:
    """Serve archives with Ray Serve until SIGTERM or SIGINT.

    Example: python -m deploy.ray serve model_store/rooms-1.1.0.mar
    """
    ending = threading.Event()
    with one_line_errors("deploy.ray"):
        run = resolved(run)
        found = [Archive.read(resolved(path)) for path in archives]
        token = _prepare(run, host, port)
        cluster.connect(address, cpus)
        (run / "ray-address").write_text(ray.get_runtime_context().gcs_address, encoding="utf-8")
        limit = int(read_properties(CONFIG)["max_request_size"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ending.set())
        try:
            cluster.start_front(host, port, token, limit, every_node)
            for archive in found:
                cluster.promote(archive, scaling, run)
            console.print(f"Serving at http://{host}:{port}. Token for curl: -H @{run}/auth.header", markup=False)
            ending.wait()
        finally:
            ray_serve.shutdown()
            ray.shutdown()
            for name in ("pid.json", "key_file.json", "auth.header"):
                (run / name).unlink(missing_ok=True)


@app.command()
@with_scaling_options
def promote(
    archive: Annotated[Path, typer.Argument(help="The archive of the new version.")],
    run: Run = RAY_RUN,
    *,
    scaling: Scaling,
) -> None:
    """Serve one more version, and make it the default once it can answer.

    Example: python -m deploy.ray promote model_store/rooms-1.2.0.mar
    """
    with one_line_errors("deploy.ray"):
        _join(run)
        cluster.promote(Archive.read(resolved(archive)), scaling, resolved(run))


@app.command()
def remove(model: str, version: str, run: Run = RAY_RUN) -> None:
    """End a version that is not the default; the requests that it has are answered.

    Example: python -m deploy.ray remove rooms 1.1.0
    """
    with one_line_errors("deploy.ray"):
        _join(run)
        cluster.remove(model, version)


def _prepare(run: Path, host: str, port: int) -> str:
    """Write a run folder as TorchServe's, and return its new token."""
    folder = RunFolder(run)
    folder.check()
    if folder.server.process():
        raise ServerError(f"a server is already running in {run}; stop it, or choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    run.chmod(0o700)
    address = f"http://{host}:{port}"
    addresses = {f"{kind}_address": address for kind in ("inference", "management", "metrics")}
    write_properties(folder.config, {**read_properties(CONFIG), **addresses, "model_snapshot": "{}"})
    token = secrets.token_urlsafe(32)
    keys = run / "key_file.json"
    keys.touch(mode=0o600)
    text = ", ".join(f'"{kind}": {{"key": "{token}"}}' for kind in ("inference", "management", "API"))
    keys.write_text(f"{{{text}}}\n", encoding="utf-8")
    KeyFile(keys).write_header()
    folder.server.write(psutil.Process())
    return token


def _join(run: Path) -> None:
    file = resolved(run) / "ray-address"
    if not RunFolder(resolved(run)).server.process() or not file.exists():
        raise ServerError(f"no server runs in {run}; start it: python -m deploy.ray serve ARCHIVE")
    cluster.connect(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    app()
