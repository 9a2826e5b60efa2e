"""Refuses a built site that loads a script, style, font or picture from another host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

FOREIGN = re.compile(r"^\s*(?:\w+:)?//")
CSS_URL = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)")


def on_post_build(config: MkDocsConfig) -> None:
    """Look at every page and style sheet.

    Raises:
        PluginError: Something is loaded from another host; the message lists what, and where.
    """
    site = Path(config.site_dir)
    found = [
        f"{file.relative_to(site)}: {url}"
        for pattern, reads in (("**/*.html", foreign_in_page), ("**/*.css", foreign_in_style))
        for file in sorted(site.glob(pattern))
        for url in reads(file.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("the site loads from other hosts: " + "; ".join(found))


def foreign_in_page(html: str) -> list[str]:
    """URLs on other hosts that a browser fetches when it shows the page; links that a reader follows are fine."""
    reader = _Loads()
    reader.feed(html)
    return reader.foreign + foreign_in_style(" ".join(reader.styles))


def foreign_in_style(css: str) -> list[str]:
    """URLs on other hosts that a style sheet loads."""
    return CSS_URL.findall(css)


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.styles: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        self.styles.append(given.get("style", ""))
        loads = [given.get("src", ""), given.get("poster", ""), *re.split(r"\s*,\s*", given.get("srcset", ""))]
        if tag == "link" and given.get("rel", "") not in {"canonical", "prev", "next", "alternate"}:
            loads.append(given.get("href", ""))
        if tag == "object":
            loads.append(given.get("data", ""))
        self.foreign += [url for url in loads if FOREIGN.match(url)]

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
