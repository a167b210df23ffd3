"""The architecture page describes the package as it is."""

from __future__ import annotations

import re
import tomllib

from tests.docs.markdown import DOCS, ROOT

PAGE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "rmod_pipeline"


def rows_of_rooms() -> list[set[str]]:
    """Return the rooms of every row of the table, from the top."""
    table = PAGE.partition("| room | task |")[2].partition("\n\n")[0]
    first = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return [{name.removesuffix("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", cell)} for cell in first]


def test_the_table_of_rooms_is_the_contract_of_imports() -> None:
    """Every room, each once, in the order in which imports point."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (floors,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["rmod_pipeline"])
    assert rows_of_rooms() == [set(re.split(r" [|:] ", floor)) for floor in floors]


def test_the_picture_names_rooms_only() -> None:
    rooms = set().union(*rows_of_rooms())
    picture = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)[0]
    ends = re.findall(r"^ +(\w+)[^\n]*? --> (\w+)", picture, re.MULTILINE)
    assert len(ends) > len(rooms) / 2
    assert {room for pair in ends for room in pair} <= rooms


def test_the_way_of_a_pair_names_modules_that_exist() -> None:
    named = re.findall(r"\b(\w+/[\w/]+\.py)", PAGE)
    assert named
    missing = [path for path in named if not (PACKAGE / path).exists() and not (ROOT / path).exists()]
    assert not missing
