"""Write the HTTP interface as an OpenAPI document, generated from the models that parse the requests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vqaops.console import one_line_errors
from vqaops.files import prepare_output
from vqaops.openapi import DOCUMENT, text


def main(output: Annotated[Path, typer.Option(help="The file to write.")] = DOCUMENT) -> None:
    """Write the OpenAPI document.

    Example: scripts/openapi.py
    """
    with one_line_errors("openapi"):
        prepare_output(output)
        output.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
