"""Connections that cost a server something and bring it nothing: slow, idle and half-closed ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from loadtest.overload.open_loop import Template

Nuisance = Callable[[asyncio.StreamWriter, bytes], Coroutine[Any, Any, None]]
"""What is done with an open connection, given a whole request."""


async def idle(writer: asyncio.StreamWriter, request: bytes) -> None:
    """Says nothing."""
    del writer, request


async def slow(writer: asyncio.StreamWriter, request: bytes) -> None:
    """Sends the header, then the body byte by byte."""
    head, _, body = request.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.5)


async def half_closed(writer: asyncio.StreamWriter, request: bytes) -> None:
    """Sends half of a request, closes its own direction, and stays."""
    writer.write(request[: len(request) // 2])
    writer.write_eof()


@asynccontextmanager
async def present(nuisance: Nuisance, count: int, template: Template) -> AsyncIterator[None]:
    """So many of these connections for the length of the block; all are open when it begins.

    Raises:
        OSError: The server does not take so many.
    """
    where = urlsplit(template.url)
    opened = await asyncio.gather(*(asyncio.open_connection(where.hostname, where.port) for _ in range(count)))
    writers = [writer for _, writer in opened]
    tasks = [asyncio.create_task(nuisance(writer, _request(template))) for writer in writers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # a server may close on them: that is one way
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def _request(template: Template) -> bytes:
    path = urlsplit(template.url)
    lines = [f"POST {path.path} HTTP/1.1", f"Host: {path.netloc}", f"Content-Length: {len(template.body)}"]
    lines += [f"{name}: {value}" for name, value in template.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + template.body
