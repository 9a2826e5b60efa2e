"""Shows the repository's own pages (README, SECURITY, model cards, ...) in the site, and adapts links between files.

Every page links to other files by their paths in the repository, so that the links work in a checkout and on a code
host. In the site a link to a page leads to that page, and a link to any other file becomes plain text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?\[(?:[^\[\]]|!\[[^\]]*\])*\])\(([^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```$)", re.M | re.S)


def pages_outside_docs() -> dict[str, str]:
    """The path in the site of each file outside ``docs/`` that the site shows, by its path in the repository."""
    shown = {
        "README.md": "index.md",
        "CONTRIBUTING.md": "contributing.md",
        "SECURITY.md": "explanation/security.md",
        "CHANGELOG.md": "changelog.md",
    }
    for card in sorted(ROOT.glob("recipes/*/README.md")):
        recipe = card.parent
        shown[card.relative_to(ROOT).as_posix()] = f"models/{recipe.name}.md"
        for picture in recipe.glob("*.png"):
            shown[picture.relative_to(ROOT).as_posix()] = f"models/{recipe.name}-{picture.name}"
    return shown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside ``docs/``."""
    for source, uri in pages_outside_docs().items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Adapt the links of a page to the site; code blocks stay as they are."""
    del config, files
    shown = pages_outside_docs()
    sources = {uri: source for source, uri in shown.items()}
    source = sources.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    parts = CODE.split(markdown)
    parts[::2] = [LINK.sub(lambda link: _adapt(link, source, page.file.src_uri, shown), text) for text in parts[::2]]
    return "".join(parts)


def _adapt(link: re.Match[str], source: str, uri: str, shown: dict[str, str]) -> str:
    text, target = link.groups()
    path, hash_sign, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return link[0]
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if wanted in shown or wanted.startswith("docs/"):
        page = shown.get(wanted, wanted.removeprefix("docs/"))
        return f"{text}({posixpath.relpath(page, posixpath.dirname(uri) or '.')}{hash_sign}{anchor})"
    return text.strip("![]") if (ROOT / wanted).exists() else link[0]
