"""Every path expands `~`, and every command in a message works as it is printed, whatever the names of files."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer.main
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.cli import app
from rmod_pipeline.errors import BuildError, quote
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.storage import parse_local_path, parse_location
from tests.cli.bad_input_world import World
from tests.cli.commands import check_commands, find_commands, parse_command
from tests.tiny_build import RATE, RECIPE, make_library

PACKAGE = Path(__file__).parents[2] / "rmod_pipeline"

Rmod = Callable[..., Any]


def _commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _mentions_path(annotation: Any) -> bool:
    return annotation is Path or any(map(_mentions_path, get_args(annotation)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_parameter_that_is_a_path_has_the_one_parser(words: tuple[str, ...]) -> None:
    hints = get_type_hints(inspect.unwrap(COMMANDS[words].callback), include_extras=True)
    for name, annotation in hints.items():
        if _mentions_path(annotation):
            parsers = [getattr(info, "parser", None) for info in getattr(annotation, "__metadata__", ())]
            assert set(parsers) & {parse_local_path, parse_location}, f"{name} of {words} takes ~ as it is"


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> World:
    """A world whose folder is the home folder; the command runs in another one."""
    home, here = tmp_path / "home", tmp_path / "here"
    make_library(home / "library")
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    return World(home)


def test_every_command_takes_paths_below_home(at_home: World, rmod: Rmod) -> None:
    """As `--flag=~/x`, which no shell expands, and as arguments in quotes."""
    from tests.tiny_codec import save_tiny

    at_home.recipe()
    (at_home / "mine.yaml").write_text("name: mine\nextends: ~/tiny.yaml\n")
    save_tiny(at_home / "codec.pth", sample_rate=RATE)
    (at_home / "labels.csv").write_text("path,kind,kit,licence,source\n~/library/bass/train-0.wav,kick,,CC0-1.0,\n")
    library = "--library=~/library/library.csv"
    for command in (
        ["recipe", "check", "~/mine.yaml", library],
        ["recipe", "show", "~/tiny.yaml"],
        ["recipe", "schema", "--out=~/schema.json"],
        ["library", "check", "~/library/library.csv"],
        ["library", "scan", "~/library", "--out=~/scanned.csv", "--labels=~/labels.csv"],
        ["library", "scan", "~/library", "--out=~/again.csv", "--previous=~/scanned.csv", "--workers=1"],
        ["build", "~/mine.yaml", library, "--out=~/out", "--pairs=train=2", "--codec=~/codec.pth", "--device=cpu"],
        ["status", "~/out"],
        ["verify", "~/out", "--rerender=1", library],
        ["show", "~/out"],
        ["encode", "~/out", "--codec=~/codec.pth", "--device=cpu", "--batch=1"],
        ["decode", "~/out", "train-00000000", "--out=~/listen", "--codec=~/codec.pth", "--device=cpu"],
        ["preview", "~/out", "--page=~/page.html", "--codec=~/codec.pth", "--pairs=1"],
        ["preview", "~/mine.yaml", "--page=~/recipe.html", library, "--pairs=1"],
        ["codec", "show", "~/codec.pth"],
    ):
        said = rmod(*command)
        assert said.code == 0, (command, said)
    (at_home / "pair.json").write_text(rmod("show", "~/out", "train-00000000", "--json").out)
    assert rmod("render", "~/pair.json", library, "--out=~/rendered").code == 0
    made = ("schema.json", "scanned.csv", "again.csv", "out", "listen", "page.html", "recipe.html", "rendered")
    assert not [name for name in made if not (at_home / name).exists()]
    assert not list(Path.cwd().iterdir()), "nothing lies in a folder called ~"
    assert "bass/train-0.wav,kick" in (at_home / "scanned.csv").read_text()


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1)


@given(name=NAMES | st.from_regex(r"[-~ $`'\"\\!*;&|<>(),#=\n]{1,6}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_a_quoted_path_is_one_word_and_no_option(name: str) -> None:
    words = shlex.split(f"rmod verify {quote(name)} --rerender 4")
    assert words == ["rmod", "verify", f"./{name}" if name.startswith("-") else name, "--rerender", "4"]
    assert not quote(Path(name)).startswith("-")


@pytest.mark.parametrize(
    "name", ["a b", "it's", 'say "x"', "$HOME", "`id`", "a;b", "-n", "--pairs", "ü *", "a\nb", "#x"]
)
def test_a_shell_takes_a_quoted_path_as_it_is(name: str) -> None:
    said = subprocess.run(["bash", "-c", f"printf %s {quote(name)}"], capture_output=True, check=True).stdout.decode()
    assert said.removeprefix("./") == name


@pytest.mark.parametrize("name", ["My set", "-n 'x' $y", "(a, b)"])
def test_the_commands_that_are_printed_to_be_given_next_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, rmod: Rmod
) -> None:
    make_library(tmp_path / "My Samples")
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    monkeypatch.chdir(tmp_path)
    said = rmod("build", "tiny.yaml", "--library", "My Samples/library.csv", "--out", f"./{name}", "--pairs", "train=1")
    assert said.code == 0, said
    shown = rmod("show", f"./{name}")
    commands = find_commands(said.out) + re.findall(r"rmod show .*(?=; all)", shown.out)
    assert len(commands) == 3, (said.out, shown.out)
    for command in commands:
        given_command = rmod(*shlex.split(command)[1:])
        assert given_command.code == 0, given_command
    missing = rmod("show", f"./{name}", "train-00000099")
    (command,) = check_commands(missing.err)
    assert rmod(*shlex.split(command)[1:]).out == "train-00000000\n"


@pytest.mark.parametrize("command", ["preview", "show"])
def test_a_damaged_pair_names_the_command_that_finds_it(command: str, tmp_path: Path, cache: Path, rmod: Rmod) -> None:
    world = World(tmp_path / "My set")
    make_library(world / "library")
    tar = Path(str(Layout(world.built().out).tar("train-000000")))
    pairs = list(read_tar(tar))
    with TarWriter(tar) as writer:
        for key, members in pairs:
            broken = {"kick.wav": b"no sound"} if command == "preview" else {"json": b'{"spec": {}}'}
            writer.add(key, {**members, **broken})
    said = rmod(command, world.out, *(["train-00000000"] if command == "show" else ["--page", tmp_path / "page.html"]))
    assert said.code == 2, said
    if command == "preview":
        (verify,) = check_commands(said.err)
        assert verify == f"rmod verify {quote(world.out)}"
        assert "train-000000" in rmod(*shlex.split(verify)[1:]).out


def test_flags_in_a_quoted_command_stay_flags_in_python() -> None:
    error = BuildError("x", "broken", f"give --shard-size, or `rmod verify {quote('a, b')} --rerender 4`")
    assert error.in_python().endswith("give shard_size, or `rmod verify 'a, b' --rerender 4`")


# The texts of the package, without running it.

_PLACEHOLDER = "\x00{}\x01"


def _texts(tree: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield each text in code, with marks in the place of its values; docstrings and help texts are left out."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        if isinstance(node, ast.keyword) and node.arg == "help":
            skipped.update(ast.walk(node.value))
        if isinstance(node, ast.Assign) and any("HELP" in ast.unparse(target) for target in node.targets):
            skipped.update(ast.walk(node.value))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
            skipped.update(ast.walk(node))
        if isinstance(node, ast.JoinedStr) and node not in skipped:
            skipped.update(child for child in ast.walk(node) if child is not node and isinstance(child, ast.Constant))
            values: list[ast.expr] = []
            text = ""
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    text += _PLACEHOLDER.format(len(values))
                    values.append(part.value)
                else:
                    text += str(part.value)  # type: ignore[attr-defined]
            yield text, values
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped:
            yield node.value, []


_NAMES = "|".join(sorted({words[0] for words in COMMANDS}))
_IN_TEXT = re.compile(rf"`(rmod [^`]*)`|(?:^|; |: |-- )(rmod (?:{_NAMES})\b[^`;]*)")

MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if "rmod " in path.read_text(encoding="utf-8")]


def _commands_in(path: Path) -> Iterator[tuple[str, list[ast.expr]]]:
    for text, values in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        for match in _IN_TEXT.finditer(text):
            yield match[1] or match[2], values


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_command_in_the_texts_of_a_module_parses_and_is_quoted(path: Path) -> None:
    for command, values in _commands_in(path):
        for number in re.findall("\x00(\\d+)\x01", command):
            value = ast.unparse(values[int(number)])
            assert value.startswith("quote(") or value in QUOTED_BEFORE, f"{path}: {value} in {command!r} is not quoted"
        parse_command(re.sub("\x00\\d+\x01", "X", command))


QUOTED_BEFORE = {"codec", "options"}
"""Values in commands that are constants of the package, or are quoted above the command."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_example_in_a_help_text_parses(words: tuple[str, ...]) -> None:
    examples = (COMMANDS[words].help or "").partition("Example")[2]
    lines = [line.strip() for line in textwrap.dedent(examples).splitlines() if line.strip().startswith("rmod ")]
    assert lines or words in WITHOUT_EXAMPLE, words
    for line in lines:
        for command in re.split(r"\s(?:&&|\||>)\s", line):
            if command.startswith("rmod "):
                parse_command(command)


WITHOUT_EXAMPLE: set[tuple[str, ...]] = set()


def test_a_command_with_a_flaw_is_found() -> None:
    for flawed in (
        "`rmod verfy OUT`",
        "`rmod library scan DIR`",
        "-> rmod build --out",
        "`rmod verify a b`",
        "`rmod show 'a`",
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_commands(flawed)
