"""A page that loads something from another host is found, whatever it loads."""

from __future__ import annotations

from pathlib import Path

import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

from docs.hooks import hosts


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<script src="//cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<link rel="preconnect" href="https://cdn.example">',
        '<img src="http://cdn.example/a.png">',
        '<img srcset="a.png 1x, https://cdn.example/b.png 2x">',
        '<iframe src="https://cdn.example"></iframe>',
        "<style>@import 'https://cdn.example/a.css';</style>",
        '<div style="background: url(https://cdn.example/a.png)"></div>',
    ],
)
def test_what_a_browser_would_fetch_elsewhere_is_found(html: str):
    assert hosts.foreign_in_page(html)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="https://example.org">a link</a>',
        '<link rel="canonical" href="https://example.org/page/">',
        '<script src="../assets/bundle.js"></script>',
        "<style>a { background: url(data:image/png;base64,AA==) }</style>",
        "<code>&lt;script src='https://cdn.example/a.js'&gt;</code>",
    ],
)
def test_a_link_that_a_reader_follows_is_no_fault(html: str):
    assert hosts.foreign_in_page(html) == []


def test_a_site_with_such_a_page_is_refused_and_the_page_is_named(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_text('<img src="https://cdn.example/a.png">')
    config = MkDocsConfig()
    config.site_dir = str(tmp_path)
    with pytest.raises(PluginError, match=r"sub/index\.html: https://cdn\.example/a\.png"):
        hosts.on_post_build(config)


def test_a_style_sheet_that_loads_a_font_elsewhere_is_found():
    assert hosts.foreign_in_style("@font-face { src: url('https://fonts.example/a.woff2') }")
