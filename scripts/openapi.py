"""Write the HTTP interface as an OpenAPI document, generated from the models that parse the requests."""

from __future__ import annotations

from pathlib import Path

import typer

from vqaops.openapi import DOCUMENT, text


def main(output: Path = DOCUMENT) -> None:
    """Write the OpenAPI document.

    Example: scripts/openapi.py
    """
    output.parent.mkdir(exist_ok=True)
    output.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
