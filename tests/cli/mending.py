"""Follow the remedy that an error message names: give its command, edit the file it names, give its option."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.bad_input_world import DONE, Arguments, World
from tests.tiny_build import make_library

COMMAND = re.compile(r"`(rmod [^`\n]*)`")


@dataclass(frozen=True, slots=True)
class Fault:
    """A command that failed in a world, and its message."""

    world: World
    arguments: list[str]
    message: str
    rmod: Callable[..., Any]

    @property
    def hint(self) -> str:
        """What the message says to do."""
        return self.message.partition("-> ")[2]

    def option(self, name: str, *values: object) -> list[str]:
        """Return the command with another value of an option, or, without a value, without the option."""
        arguments = list(self.arguments)
        if name in arguments:
            start = arguments.index(name)
            takes_value = start + 1 < len(arguments) and not arguments[start + 1].startswith("--")
            del arguments[start : start + 1 + takes_value]
        return [*arguments, name, *map(str, values)] if values else arguments

    def argument(self, position: int, value: object) -> list[str]:
        """Return the command with another argument."""
        return [*self.arguments[:position], str(value), *self.arguments[position + 1 :]]

    def run(self, *arguments: object, codes: tuple[int, ...] = (DONE,)) -> Any:
        """Run a command on the way to the mended one."""
        said = self.rmod(*arguments)
        assert said.code in codes, (arguments, said)
        return said

    def command(self, placeholders: Mapping[str, object] | None = None) -> list[str]:
        """Return the arguments of the command in the hint, with values for its placeholders."""
        match = COMMAND.search(self.hint)
        assert match, self.message
        values = {name: str(value) for name, value in (placeholders or {}).items()}
        return [values.get(word, word) for word in shlex.split(match[1])[1:]]


Mend = Callable[[Fault], Arguments]


def again(action: Callable[[World], object]) -> Mend:
    """Do something to the world, then give the same command."""

    def mend(fault: Fault) -> Arguments:
        action(fault.world)
        return fault.arguments

    return mend


def option(name: str, *values: object) -> Mend:
    """Give an option another value; without a value, leave it out. A path is relative to the world."""

    def mend(fault: Fault) -> Arguments:
        given = [fault.world / str(value) if isinstance(value, Path) else value for value in values]
        return fault.option(name, *given)

    return mend


def proposed(name: str, pattern: str, *more: object) -> Mend:
    """Give an option the value that the message proposes: the first group of the pattern."""

    def mend(fault: Fault) -> Arguments:
        match = re.search(pattern, fault.message)
        assert match, fault.message
        return [*fault.option(name, match[1]), *map(str, more)]

    return mend


def argument(position: int, value: Callable[[World], object]) -> Mend:
    """Give another argument."""
    return lambda fault: fault.argument(position, value(fault.world))


other_out = option("--out", Path("other"))
restored_library = again(lambda world: make_library(world.library.parent))


def scanned_again(fault: Fault) -> Arguments:
    """Scan the sounds again, with --previous and the manifest that the hint names, and build into another folder."""
    manifest = re.search(r"--previous (.+?), and build into another --out", " ".join(fault.hint.split()))
    assert manifest, fault.message
    previous = shlex.split(manifest[1])[0]
    fault.run("library", "scan", fault.world.library.parent, "--out", fault.world.library, "--previous", previous)
    return fault.option("--out", fault.world / "other")


def as_meant(file: str, wrong: str) -> Mend:
    """Replace a word in a file by the one that the message asks about: "did you mean"."""

    def mend(fault: Fault) -> Arguments:
        match = re.search(r"did you mean '([^']+)'", fault.message)
        assert match, fault.message
        path = fault.world / file
        path.write_text(path.read_text().replace(wrong, match[1], 1))
        return fault.arguments

    return mend


def edited(file: str, wrong: str, right: str) -> Mend:
    """Edit a file as the message says."""

    def edit(world: World) -> None:
        text = (world / file).read_text()
        assert wrong in text
        (world / file).write_text(text.replace(wrong, right, 1))

    return again(edit)


def cell(column: str, value: Callable[[dict[str, str]], str], row: int = 2) -> Mend:
    """Edit a cell of the manifest."""
    return again(lambda world: world.manifest(lambda rows: rows[row].update({column: value(rows[row])})))


def stored_pair(fault: Fault) -> Arguments:
    """Use the JSON that the build stored with the pair: `rmod show OUT KEY --json` prints it."""
    world = fault.world.built()
    if world.pair.is_dir():
        world.pair.rmdir()
    world.pair.write_text(fault.run("show", world.out, "train-00000000", "--json").out)
    return fault.arguments


def removed(fault: Fault) -> Arguments:
    """Remove the files and folders that the hint names: "remove A and B"."""
    paths = [Path(word) for word in re.findall(r"(/\S+)", fault.hint)]
    assert paths, fault.message
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return fault.arguments


def remove_it(fault: Fault) -> Arguments:
    """Remove the file that the message is about: "remove it"."""
    Path(fault.message.removeprefix("Error: ").partition(": ")[0]).unlink()
    return fault.arguments


def listed_key(position: int) -> Mend:
    """Take a key of those that the command in the hint lists."""

    def mend(fault: Fault) -> Arguments:
        return fault.argument(position, fault.run(*fault.command()).out.split()[0])

    return mend
