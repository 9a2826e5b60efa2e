"""The operator's view at ``/operator``: all verdicts and the newest questions, behind a password."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from demo.people import RateLimit, person_of
from vqaops.feedback.statistics import Share, by_day, by_version, worst_questions
from vqaops.feedback.store import Feedback, FeedbackStore

PASSWORD: Final = "VQA_OPERATOR_PASSWORD"
"""The environment variable with the password; without it there is no such view."""
NEWEST = 100
_ATTEMPTS = 10
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Feedback</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }} th, td {{ text-align: left; padding: .25rem .75rem .25rem 0; }}
div {{ overflow-x: auto; }}
</style></head><body><main><h1>Feedback</h1>{}</main></body></html>
"""


def routes(store: FeedbackStore, password: str, trust_proxy: bool) -> list[Route]:
    """The route of the view; none without a password.

    Args:
        store: The database.
        password: What the operator's browser asks for; the user name does not matter.
        trust_proxy: As of ``person_of``.
    """
    limit = RateLimit(_ATTEMPTS)

    async def view(request: Request) -> Response:
        given = _password(request.headers.get("authorization", ""))
        person = person_of(request.client.host if request.client else "", request.headers, trust_proxy)
        # Checked before the password, or a right guess would still be told from the wrong ones.
        if given and (seconds := limit.seconds_left(person)):
            return PlainTextResponse("Too many attempts.", 429, {**_HEADERS, "Retry-After": str(seconds)})
        if not secrets.compare_digest(given.encode(), password.encode()):
            # Only attempts count: a browser asks once without a password, before it asks its person.
            if given:
                limit.seconds_to_wait(person)
            headers = {**_HEADERS, "WWW-Authenticate": 'Basic realm="feedback", charset="UTF-8"'}
            return PlainTextResponse("A password is needed.", 401, headers)
        return HTMLResponse(_PAGE.format(await run_in_threadpool(_content, store)), headers=_HEADERS)

    return [Route("/operator", view)] if password else []


def _password(header: str) -> str:
    """The password of HTTP's basic authentication (RFC 7617); empty without one."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _content(store: FeedbackStore) -> str:
    rows = store.rows()
    head = ("answers", "right", "wrong", "share right")
    parts = (
        _table("Versions", ("version", *head), map(_counts, by_version(rows))),
        _table("Days (UTC)", ("day", *head), map(_counts, by_day(rows))),
        _table("Worst questions", ("question", *head), map(_counts, worst_questions(rows))),
        _table(
            f"The newest {NEWEST} answers",
            ("time", "version", "question", "answer", "verdict", "correction"),
            map(_cells, reversed(rows[-NEWEST:])),
        ),
    )
    return "".join(parts)


def _counts(share: Share) -> Sequence[str]:
    up = "" if share.share_up is None else f"{share.share_up:.0%}"
    return share.group, str(share.answers), str(share.up), str(share.down), up


def _cells(row: Feedback) -> Sequence[str]:
    verdict = {True: "right", False: "wrong", None: ""}[row.thumbs_up]
    best, score = row.answers[0]
    time = row.time.strftime("%Y-%m-%d %H:%M")
    return time, f"{row.model} {row.version}", row.question, f"{best} ({score:.0%})", verdict, row.correction


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    caption = escape(title)
    region = f'<div tabindex="0" role="region" aria-label="{caption}">'
    return f"<h2>{caption}</h2>{region}<table><thead><tr>{names}</tr></thead><tbody>{lines}</tbody></table></div>"
