"""What the pages name exists: pages, anchors, files, functions, commands, options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import rmod_pipeline
from rmod_pipeline.cli import app
from rmod_pipeline.cli.groups.help_format import DefaultGroup, Group
from tests.docs.markdown import DOCS, PAGES, ROOT, anchors_of, blocks_of, code_spans_of, links_of, name_of, prose_of

FOLDERS = "rmod_pipeline|tests|benchmarks|recipes|docs|docker|manifests|requirements"

EXAMPLES = {"rmod_pipeline/effects/bitcrush.py"}
"""Files that a reader is told to write."""

OTHER_PROGRAMS = {
    "--names",
    *("--no-deps", "--gpus", "--autoscaling-config", "--block", "--runtime-env-json", "--working-dir"),
    *("--metrics-export-port", "--part", "--render-ms", "--strict", "--check", "--strict-skips", "--shuffle"),
    *("--against", "--python", "--test", "--work"),
}
"""Options of programs other than `rmod` that a page names alone."""

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            broken.append(link)
    assert not broken


@each_page
def test_links_of_the_site_stay_in_the_site(page: Path) -> None:
    if DOCS in page.parents:
        relative = [link.partition("#")[0] for link in links_of(page) if not re.match(r"[a-z]+:", link)]
        assert all(DOCS in (page.parent / link).resolve().parents for link in relative if link)


def test_the_page_of_benchmarks_lists_every_script() -> None:
    listed = re.findall(
        r"^\| `(\w+\.py)` \|", (ROOT / "benchmarks/README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


@each_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w/.:-])((?:{FOLDERS})/[\w./*-]*\w[\w/*]*)", text)
    missing = [path for path in named if path not in EXAMPLES and not list(ROOT.glob(path.rstrip("/")))]
    assert not missing


@each_page
def test_names_after_a_file_stand_in_that_file(page: Path) -> None:
    named = re.findall(rf"`((?:{FOLDERS})/[\w/]+\.py): (\w+)`", page.read_text(encoding="utf-8"))
    assert all(re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")) for path, name in named), named


@each_page
def test_names_that_a_page_imports_exist(page: Path) -> None:
    for block in blocks_of(page):
        if block.language != "python":
            continue
        tree = ast.parse(block.code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rmod_pipeline."):
                assert {alias.name for alias in node.names} <= defined_names(str(node.module)), ast.unparse(node)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "rmod":
                assert node.attr in rmod_pipeline.__all__, node.attr


def defined_names(module: str) -> set[str]:
    """Return the names at the top of a module, without importing it."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


COMMANDS = get_command(app)


def options_of(command: Any) -> set[str]:
    context = typer.Context(command, info_name="rmod")
    return {option for param in command.get_params(context) for option in (*param.opts, *param.secondary_opts)}


def every_option(command: Any) -> set[str]:
    below = getattr(command, "commands", {}).values()
    return options_of(command).union(*(every_option(each) for each in below))


def commands_in(page: Path) -> Iterator[list[str]]:
    """Yield the words of every `rmod` command that a page prints: in blocks, in indented lines, in inline code."""
    shell = "\n".join(block.code for block in blocks_of(page) if block.language == "sh")
    indented = "\n".join(line[4:] for line in prose_of(page).splitlines() if line.startswith("    "))
    spans = "\n".join(code_spans_of(page))
    for line in "\n".join([shell, indented, spans]).replace("\\\n", " ").replace(" && ", "\n").splitlines():
        match = re.search(r"(?:^|-- |/)(rmod (?:[a-z]|--).*)", line)
        if match:
            yield shlex.split(re.sub(r"'$", "", match[1]), comments=True)[1:]


@each_page
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in commands_in(page):
        command, rest = COMMANDS, list(words)
        while rest and isinstance(command, Group) and not rest[0].startswith("-"):
            if isinstance(command, DefaultGroup) and rest[0] not in command.commands:
                rest.insert(0, command.default_command)
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
        given = {word.partition("=")[0] for word in rest if word.startswith("--")} - {"--help"}
        assert given <= options_of(command), (words, given - options_of(command))


@each_page
def test_options_that_a_page_names_alone_exist(page: Path) -> None:
    known = every_option(COMMANDS) | OTHER_PROGRAMS
    named = {span.split()[0].strip(",").partition("=")[0] for span in code_spans_of(page) if span.startswith("--")}
    assert named <= known, named - known


def test_the_page_of_the_python_api_names_all_of_it() -> None:
    spans = set(code_spans_of(DOCS / "reference" / "python-api.md"))
    assert set(rmod_pipeline.__all__) <= spans, set(rmod_pipeline.__all__) - spans
