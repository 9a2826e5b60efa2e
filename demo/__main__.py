"""The command behind `make demo`: the chat page in front of the running server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import psutil
import typer

from demo import api_docs, operator_view
from demo.app import STYLE, THEME, build_page
from demo.settings import PageSettings
from vqaops.console import new_console, one_line_errors
from vqaops.errors import ServerError
from vqaops.feedback.store import FeedbackStore
from vqaops.paths import CONFIG, RECIPES, RUN, resolved
from vqaops.server.client import Client
from vqaops.server.endpoints import Addresses
from vqaops.server.properties import read_properties
from vqaops.server.retry import RetryPolicy
from vqaops.server.run_folder import RunFolder

app = typer.Typer(add_completion=False)


@app.command()
def main(
    run: Annotated[Path, typer.Option(help="Run folder of the server, with its tokens.")] = RUN,
    config: Annotated[Path, typer.Option(help="The server's properties.")] = CONFIG,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 7860,
    gateway: Annotated[str, typer.Option(help="The gateway that requests from /docs are sent to.")] = (
        "https://127.0.0.1:8443"
    ),
    per_minute: Annotated[int, typer.Option(min=1, help="Questions that one person may ask in a minute.")] = 10,
    feedback: Annotated[
        Path | None, typer.Option(help="Database of answers and verdicts; by default in the run folder.")
    ] = None,
    trust_proxy: Annotated[
        bool, typer.Option("--trust-proxy", help="Take a person's address from the proxy's X-Forwarded-For.")
    ] = False,
) -> None:
    """Serve the chat page until Ctrl-C or `make stop`.

    Example: .venv-demo/bin/python -m demo --port 7860
    """
    settings = PageSettings(resolved(run), resolved(config), host, port, per_minute, trust_proxy)
    with one_line_errors("demo"):
        started = RunFolder(settings.run).config
        addresses = Addresses.of(read_properties(started if started.exists() else settings.config))
        client = Client(
            addresses, settings.run / "key_file.json", addresses.pool(), RetryPolicy(seconds=settings.wait_seconds)
        )
        store = FeedbackStore(resolved(feedback or settings.run / "feedback.sqlite3"))
        page = build_page(settings, client, store)
        # uvicorn would believe X-Forwarded-For from loopback, and let anybody be somebody else; demo/people.py decides.
        os.environ["FORWARDED_ALLOW_IPS"] = ""
        page.queue(default_concurrency_limit=20, max_size=200, api_open=True)
        try:
            page.launch(
                prevent_thread_lock=True,
                server_name=host,
                server_port=port,
                quiet=True,
                share=False,
                footer_links=[],
                allowed_paths=[str(samples) for samples in RECIPES.glob("*/samples")],
                max_file_size="32mb",
                theme=THEME,
                css_paths=STYLE,
                enable_monitoring=False,
                pwa=False,
                ssr_mode=False,
                app_kwargs={
                    "routes": [
                        *api_docs.routes(gateway.rstrip("/")),
                        *operator_view.routes(store, os.environ.get(operator_view.PASSWORD, ""), trust_proxy),
                    ]
                },
            )
        except OSError:
            raise ServerError(
                f"the page cannot listen on {host}:{port}; choose another port with --port, "
                "or stop the page that has it: make stop"
            ) from None
        # Not before: a page whose port is taken ends in launch, and must not hide the record of the page that has it.
        RunFolder(settings.run).page.write(psutil.Process())
        new_console().print(f"The chat page is at [b]http://{host}:{port}[/]. Stop it with Ctrl-C or make stop.")
        page.block_thread()


if __name__ == "__main__":
    app()
