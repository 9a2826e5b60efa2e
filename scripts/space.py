"""Start a Space: a model from the Hub, the server, and the chat page in front of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vqaops.console import new_console, one_line_errors
from vqaops.paths import ROOT, RUN
from vqaops.server.server import Server
from vqaops.server.start import Display

app = typer.Typer(add_completion=False)


@app.command()
def main(
    model_repo: Annotated[
        str | None, typer.Option(envvar="MODEL_REPO_ID", help="USER/NAME on the Hub; by default recipes/shapes.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag of that repository.")] = None,
    device: Annotated[str, typer.Option(envvar="DEVICE", help="auto, cpu or cuda.")] = "auto",
    host: Annotated[str, typer.Option(help="Address of the page.")] = "0.0.0.0",
    port: Annotated[int, typer.Option(envvar="PORT", help="Port of the page.")] = 7860,
    page_python: Annotated[Path, typer.Option(help="Python of the page's environment.")] = ROOT
    / ".venv-demo"
    / "bin"
    / "python",
) -> None:
    """Serve a model and the chat page until SIGTERM: what demo/Dockerfile starts. HF_TOKEN opens a private model.

    TorchServe listens on unix sockets that no other user reaches; its tokens are in the run folder.

    Example: scripts/space.py --model-repo me/shapes --device cpu
    """
    console = new_console()
    with one_line_errors("space"):
        from vqaops.publishing.running_space import run_space, space_recipe  # needs the extra hf

        recipe = space_recipe(model_repo or None, revision, device or "auto", RUN, console)
        sockets = {f"{kind}_address": f"unix:{RUN / kind}.sock" for kind in ("inference", "management")}
        page = [str(page_python), "-m", "demo", "--run", str(RUN), "--host", host, "--port", str(port), "--trust-proxy"]
        with console.status("") as status:
            display = Display(lambda text: console.print(escape(text)), lambda text: status.update(escape(text)))
            run_space(Server(RUN, overrides=sockets), recipe, page, display)


if __name__ == "__main__":
    app()
