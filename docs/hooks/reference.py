"""Fills reference pages from the code: every setting with its default, every command with its options.

A page asks for a list by two comments, ``<!-- generated: recipe settings -->`` and ``<!-- end -->``. What is between
them is shown only where the page is read without being built.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page
from pydantic import BaseModel
from typer.cli import get_docs_for_click

from vqaops.gateway.settings import GatewaySettings
from vqaserve.families import FAMILIES
from vqaserve.families.options import Options
from vqaserve.settings import ModelConfig

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"^<!-- generated: ([\w ]+) -->\n.*?^<!-- end -->$", re.M | re.S)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replace the marks of a page."""
    del page, config, files
    return MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def settings(model: type[BaseModel]) -> str:
    """A table of a settings class and of each class in it: key, allowed values, default, meaning."""
    schema = model.model_json_schema()
    return "\n".join(_tables(schema, schema.get("$defs", {}), model.__name__))


def _tables(schema: dict[str, Any], classes: dict[str, Any], name: str, path: str = "") -> Iterator[str]:
    meanings = attributes(schema.get("description", ""))
    if path:
        yield f"\n### `{path}`\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    sections = {}
    for key, field in schema["properties"].items():
        section = field.get("$ref", "").rpartition("/")[2]
        if section:
            sections[f"{path}.{key}".lstrip(".")] = section
        value = "a section, below" if section else _value(field)
        default = "" if section else _default(key, field, schema)
        yield f"| `{key}` | {value} | {default} | {meanings.get(key, '')} |"
    for place, section in sections.items():
        yield from _tables(classes[section], classes, section, place)


def attributes(docstring: str) -> dict[str, str]:
    """What a Google-style docstring's ``Attributes:`` says of each, in Markdown."""
    section = cleandoc(docstring).partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n     +.+)*)", section, re.M)
    return {name: " ".join(text.split()).replace("``", "`").replace("|", r"\|") for name, text in found}


def family_options() -> str:
    """A table for each family that takes ``options:``."""
    tables = []
    for name, place in sorted(FAMILIES.items()):
        package = place.partition(":")[0]
        importlib.import_module(package)
        own = [options for options in Options.__subclasses__() if options.__module__.startswith(package)]
        tables += [f"\n### Options of {name}\n\n{settings(options)}" for options in own]
    return "\n".join(tables)


def _value(field: dict[str, Any]) -> str:
    if choices := [choice for choice in field.get("anyOf", ()) if choice.get("type") != "null"]:
        return " or ".join(dict.fromkeys(_value(choice) for choice in choices))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = {"array": "list", "object": "mapping", "boolean": "true or false"}.get(field["type"], field["type"])
    if field["type"] == "array" and "items" in field:
        kind = f"list of {field['items'].get('type', 'value')}s"
    bounds = {"exclusiveMinimum": "over", "minimum": "at least", "maximum": "at most", "pattern": "as"}
    limits = [f"{words} {_code(field[key])}" for key, words in bounds.items() if key in field]
    return " ".join([kind, ", ".join(limits)]).strip()


def _default(key: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    if key in schema.get("required", ()):
        return "required"
    default = field.get("default")
    return "" if default is None else _code(default)


def _code(value: object) -> str:
    return "`" + (value.replace("\n", r"\n") if isinstance(value, str) else json.dumps(value)) + "`"


def commands() -> str:
    """The help of every command, as its ``--help`` says it."""
    return "\n".join(_help(command, module) for command, module in sorted(_modules(), key=_scripts_first))


def _modules() -> Iterator[tuple[str, str]]:
    """How each command is called, and the module that it is in: whatever uses typer in the two upper layers."""
    for file in [*ROOT.glob("scripts/*.py"), *ROOT.glob("loadtest/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        if "import typer" in text and '__name__ == "__main__"' in text:
            path = file.relative_to(ROOT)
            module = ".".join(path.with_suffix("").parts)
            is_package = path.name == "__main__.py"
            yield (f"-m {module.removesuffix('.__main__')}" if is_package else str(path)), module


def _scripts_first(found: tuple[str, str]) -> tuple[bool, str]:
    command, module = found
    return not module.startswith("scripts."), command


def _help(command: str, module: str) -> str:
    found = importlib.import_module(module)
    app = getattr(found, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command()(found.main)
    click = typer.main.get_command(app)
    context = typer.Context(click)
    text = get_docs_for_click(obj=click, ctx=context, name=command, indent=1)
    return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".").replace("\b", "")


def make_targets() -> str:
    """Each target of the Makefile and what it does, as ``make help`` lists them."""
    targets = re.findall(r"^([a-z-]+):[^#\n]*## (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    return "\n".join(
        ["| target | effect |", "| --- | --- |", *(f"| `make {target}` | {effect} |" for target, effect in targets)]
    )


GENERATED: dict[str, Callable[[], str]] = {
    "recipe settings": lambda: settings(ModelConfig),
    "family options": family_options,
    "gateway settings": lambda: settings(GatewaySettings),
    "commands": commands,
    "make": make_targets,
}
