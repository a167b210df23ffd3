"""Laws of the code base: small rooms and modules, one meaning per name, plain words, documented API."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rmod_pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_MODULES = 14
"""Modules per folder, without `__init__`."""
FEWEST_LINES = 30
MOST_TEST_LINES = 400

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

EFFECT_FUNCTIONS = {"apply", "with_pedalboard", "with_console"}
"""Functions that every effect defines, because its file is all that adds it."""

PRIVATE_CLASSES = {
    "Address", "Ahead", "Asked", "Crew", "Bench", "Doors", "Form", "Gaps", "Heard", "Legs", "Once", "Palette", "Place",
    "Renewed", "Seat", "Studio", "Tally", "Ticket",
}  # fmt: skip
"""Names that classes once had and whose meaning only their authors knew, with or without an underscore."""

PRIVATE_WORDS = {
    "ahead", "asked", "bench", "crew", "doors", "elsewhere", "heard", "legs", "said", "seat", "slope", "studio",
    "tally", "ticket", "told",
}  # fmt: skip
"""Words that no variable, parameter, function or attribute may have as a part of its name."""

TERMS = {
    # The slope of a spectrum and of a filter, in dB per octave, is a term of the field.
    "slope": ("rmod_pipeline/synthesis/", "rmod_pipeline/library/"),
    # The ear hears: a heard hit is one that it finds, a known hit one that the spec has.
    "heard": ("rmod_pipeline/ear/", "rmod_pipeline/extraction/", "rmod_pipeline/dose/", "rmod_pipeline/training/"),
}
"""Where such a word is a term and may be used."""


TAKE_EXTRA = {"require_torch", "require_packages", "import_extra"}
"""Functions whose last argument is the extra that their error tells how to install."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def public_definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """Yield the public classes and functions of a module or a class."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def names_of_functions(module: ast.Module) -> Iterator[str]:
    """Yield the names that a module gives to types of functions, as in ``OnStep = Callable[[str], None]``."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Callable["):
            yield from (ast.unparse(target) for target in node.targets)


def is_overload(node: Definition) -> bool:
    return any(isinstance(decorator, ast.Name) and decorator.id == "overload" for decorator in node.decorator_list)


def is_command(path: Path, node: Definition) -> bool:
    """Return whether a function is a command of `rmod`, which has the name that the user types."""
    if "cli" not in path.parts:
        return False
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    return path.stem == node.name or any(text.startswith("app.command") for text in decorators)


def test_a_public_name_is_defined_in_one_module() -> None:
    modules = defaultdict(set)
    for path in MODULES:
        is_effect = path.parent.name == "effects"
        for node in public_definitions(parse(path).body):
            if not (is_command(path, node) or (is_effect and node.name in EFFECT_FUNCTIONS)):
                modules[node.name].add(name_of(path))
        for name in names_of_functions(parse(path)):
            modules[name].add(name_of(path))
    assert not {name: sorted(paths) for name, paths in modules.items() if len(paths) > 1}


@pytest.mark.parametrize(
    "folder", [PACKAGE, *(path.parent for path in MODULES if path.name == "__init__.py")], ids=name_of
)
def test_a_folder_has_few_modules(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert folder == PACKAGE / "effects" or len(modules) <= MOST_MODULES, modules


def test_a_module_is_worth_a_file() -> None:
    """Only an effect may be small: adding one is adding a file."""
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    exempt = ("__init__.py", "__main__.py")
    small = {
        name: count
        for name, count in lines.items()
        if count < FEWEST_LINES and not name.endswith(exempt) and not name.startswith("rmod_pipeline/effects/")
    }
    assert not small


def test_no_test_file_is_long() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.glob("tests/**/*.py")}
    assert not {name: count for name, count in lines.items() if count > MOST_TEST_LINES}


def test_every_room_says_what_it_is_for() -> None:
    assert not [name_of(path) for path in MODULES if path.name == "__init__.py" and not ast.get_docstring(parse(path))]


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and name of everything that a module names: variables, parameters, attributes, functions, classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_names_are_words_of_the_field(path: Path) -> None:
    here = name_of(path)
    allowed = {word for word, places in TERMS.items() if here.startswith(places)}
    found = set()
    for line, name in identifiers(parse(path)):
        words = set(name.split("_")) & (PRIVATE_WORDS - allowed)
        if words or name.lstrip("_") in PRIVATE_CLASSES:
            found.add((line, name))
    assert not found


def documented(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the name and the docstring of the module, its public classes and functions, and their public methods."""
    yield "", ast.get_docstring(tree) or ""
    for node in public_definitions(tree.body):
        yield node.name, ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            for method in public_definitions(node.body):
                if not is_overload(method):
                    yield f"{node.name}.{method.name}", ast.get_docstring(method) or ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_docstrings_begin_with_a_sentence(path: Path) -> None:
    """With a capital letter, a number or a name in backticks, and with a full stop at the end of the first sentence."""
    bad = []
    for name, docstring in documented(parse(path)):
        first = docstring.strip().split("\n\n")[0]
        if first and not (re.match(r"[A-Z0-9`\"'*]", first) and re.search(r"[.!?:]([)`\"']|$|\s)", first)):
            bad.append(f"{name}: {first.splitlines()[0]}")
    assert not bad


def named_extras(module: Path) -> Iterator[str]:
    """Yield the extras that a module passes to a function which tells how to install them."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in TAKE_EXTRA:
            extra = [*node.args, *(keyword.value for keyword in node.keywords)][-1]
            if isinstance(extra, ast.Constant):
                yield str(extra.value)
            else:  # a parameter of a function that passes it on
                assert isinstance(extra, ast.Name) and extra.id == "extra", f"{name_of(module)}: {ast.unparse(node)}"


def test_every_extra_that_is_named_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = defaultdict(set)
    for path in (*MODULES, ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for extras in re.findall(r"rmod-pipeline\[([\w, -]+)\]", path.read_text(encoding="utf-8")):
            for extra in extras.split(","):
                named[extra.strip()].add(name_of(path))
    for path in MODULES:
        for extra in named_extras(path):
            named[extra].add(name_of(path))
    assert {"train", "classify", "codec"} <= set(named)
    assert not {extra: places for extra, places in named.items() if extra not in project["optional-dependencies"]}
