"""The commands that the pages show exist, with their options."""

from __future__ import annotations

import re
from functools import cache

from docs.hooks import reference
from tests.unit.docs.test_paths import PAGES
from vqaops.paths import ROOT

COMMAND = re.compile(r"((?:scripts|loadtest)/\w+\.py|-m loadtest(?:\.\w+)+)((?: +[a-z]\w*)?)")
OPTION = re.compile(r"(?<=[ `])--?[a-z][a-z-]*")
OF_OTHERS = {"loadtest/locustfile.py"}
"""Commands whose options are another program's."""


@cache
def help_texts() -> dict[str, str]:
    """The help of each command with its subcommands, by the command's name."""
    found: dict[str, str] = {}
    for section in re.split(r"^#+ (?=`)", reference.commands(), flags=re.M)[1:]:
        name = section[1 : section.index("`", 1)]
        found[name] = section
        if name.startswith("loadtest/"):  # may also be run as a module
            found[f"-m {name.removesuffix('.py').replace('/', '.')}"] = section
    return found


@cache
def shown() -> list[tuple[str, str, str]]:
    """Page, command (with its subcommand) and option of every command that a page shows with an option."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in re.findall(r"^(?:\$ )?\S*python .*$|`[^`\n]+`", text, re.M):
            command = COMMAND.search(line)
            if command and command[1] not in OF_OTHERS:
                name = command[1] + command[2] if command[1] + command[2] in help_texts() else command[1]
                name = re.sub(" +", " ", name)
                found += [
                    (str(page.relative_to(ROOT)), name, option) for option in OPTION.findall(line[command.end() :])
                ]
    return found


def test_pages_show_commands_with_options():
    assert len(shown()) > 10


def test_every_option_that_a_page_shows_exists():
    missing = []
    for page, command, option in shown():
        # A module of one file stands under its path.
        text = help_texts().get(command) or help_texts().get(command.removeprefix("-m ").replace(".", "/") + ".py")
        assert text, f"{command} is not a command"
        if not re.search(rf"{option}\b", text):
            missing.append((page, command, option))
    assert missing == []
