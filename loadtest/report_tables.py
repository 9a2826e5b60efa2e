"""Tables of a report, on the terminal and in Markdown, and the description of the machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import psutil
import torch
from rich.table import Table

from vqaserve.calibration import Machine
from vqaserve.machine import LIMIT

Rows = Sequence[Sequence[str]]


def describe_processor() -> str:
    """Return the processor's model and the flags that decide which arithmetic is fast, as oneDNN may use them."""
    machine = Machine.here()
    limit = f", {LIMIT}={machine.limit}" if machine.limit else ""
    return f"{machine.processor or platform.machine()}: {' '.join(machine.flags) or 'no known flags'}{limit}"


def describe_machine() -> str:
    """Return cores, processor, memory, GPU and the version of torch."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{psutil.cpu_count()} cores ({describe_processor()}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB{gpu}, torch {torch.__version__}"
    )


def terminal_table(title: str, columns: Sequence[str], sections: Sequence[Rows], words: int) -> Table:
    """Return a table for the terminal.

    Args:
        title: Above the table.
        columns: The headings.
        sections: Rows, with a line after each section.
        words: The first columns, which hold words; the others hold figures and are aligned right.
    """
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number < words else "right")
    for rows in sections:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def markdown_table(columns: Sequence[str], rows: Rows, words: int) -> str:
    """Return a table in Markdown; the arguments are those of `terminal_table`."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words)
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, rule, *rows])
