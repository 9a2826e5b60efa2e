"""The printed curl command, split as a shell splits it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from vqaops.server.curl import curl_command
from vqaops.server.server import Server


def arguments(picture: Path, question: str) -> list[str]:
    return shlex.split(curl_command(Server(Path("/srv/my run")), "shapes", picture, {"question": question}))


def test_a_plain_name_stays_readable():
    words = arguments(Path("/srv/red.png"), "what color?")
    assert words == [
        *("curl", "-H", "@/srv/my run/auth.header", "-F", "image=@/srv/red.png"),
        *("--form-string", "question=what color?", "http://127.0.0.1:8080/predictions/shapes"),
    ]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("a,b.png", '"/srv/a,b.png"'),
        ("a;type=x.png", '"/srv/a;type=x.png"'),
        ('a"b.png', '"/srv/a\\"b.png"'),
        ("a\\b.png", '"/srv/a\\\\b.png"'),
        ("it's $(x) a.png", "/srv/it's $(x) a.png"),
        ("räume [1].png", "/srv/räume [1].png"),
    ],
)
def test_a_name_is_quoted_by_the_rules_of_curls_forms(name: str, quoted: str):
    assert f"image=@{quoted}" in arguments(Path("/srv") / name, "what?")


@pytest.mark.parametrize("question", ["@/etc/passwd", "<file", "a;type=text/html", 'it\'s "this"?', "a\nb", "$HOME"])
def test_a_question_is_sent_as_it_is(question: str):
    words = arguments(Path("/srv/red.png"), question)
    assert words[words.index("--form-string") + 1] == f"question={question}"
