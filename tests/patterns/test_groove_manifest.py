"""Manifests of grooves: what they hold, what decides their digest, and what is wrong with a damaged one."""

from __future__ import annotations

import csv
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from rmod_pipeline.errors import LibraryError, ManifestError, RmodError, UsageError
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.patterns.check import find_groove_problems
from rmod_pipeline.patterns.manifest import (
    GROOVE_COLUMNS,
    Grooves,
    check_groove_groups,
    load_grooves,
    select_grooves_by_class,
    write_groove_manifest,
)
from tests.tiny_grooves import write_grooves

MAP = "name: mine\nkeys: {kick: [36], snare: [38], hihat: [42], open_hihat: [46]}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grooves")
    write_grooves(folder, bars=2)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may change; the manifest in it."""
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy" / "grooves.csv"


def change(manifest: Path, edit: Callable[[list[dict[str, str]]], object]) -> None:
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    edit(rows)
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, GROOVE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def test_a_manifest_survives_writing_and_reading(copy: Path) -> None:
    grooves = load_grooves(copy)
    write_groove_manifest(copy.with_name("again.csv"), reversed(grooves.entries))
    again = load_grooves(copy.with_name("again.csv"))
    assert again.entries == grooves.entries and again.digest == grooves.digest
    assert len(grooves.entries) == 12
    assert {entry.metre for entry in grooves.entries} == {"4/4"}
    assert grooves.entries[0].counts() == {"hihat": 15, "snare": 4, "kick": 4, "open_hihat": 1, "tom": 1}
    assert not list(find_groove_problems(grooves))


def test_the_digest_is_of_what_decides_the_bytes(copy: Path) -> None:
    digest = load_grooves(copy).digest
    free: list[Callable[[list[dict[str, str]]], object]] = [
        lambda rows: rows.reverse(),
        lambda rows: rows[0].update(style="funk", tempo="99", bars="9", split_hint="test"),
    ]
    for edit in free:
        change(copy, edit)
        assert load_grooves(copy).digest == digest
    deciding = {"performance": "x", "drummer": "x", "licence": "MIT", "source": "x", "group": "x", "split": "test"}
    deciding |= {"seconds": "1", "kinds": "kick 1", "sha256": "0" * 64, "map": "roland_td"}
    for column, value in deciding.items():
        change(copy, lambda rows, column=column, value=value: rows[0].update({column: value}))  # type: ignore[misc]
        changed = load_grooves(copy).digest
        assert changed != digest, column
        digest = changed


def test_a_map_beside_the_manifest_is_part_of_the_digest(copy: Path) -> None:
    (copy.parent / "mine.yaml").write_text(MAP)
    change(copy, lambda rows: [row.update(map="mine.yaml") for row in rows])
    digest = load_grooves(copy).digest
    (copy.parent / "mine.yaml").write_text(f"# a comment\n{MAP}")
    assert load_grooves(copy).digest == digest
    (copy.parent / "mine.yaml").write_text(MAP.replace("42", "44"))
    assert load_grooves(copy).digest != digest


BAD_CELLS = {
    "performance": ("", "column performance: empty"),
    "path": ("../x.mid", "leaves the folder"),
    "sha256": ("abc", "is not 64 hexadecimal digits"),
    "map": ("rolland", "column map: 'rolland' is no map"),
    "tempo": ("fast", "column tempo: 'fast' is not a number above 0"),
    "metre": ("04-Apr", "column metre: '04-Apr' is not 4/4"),
    "bars": ("many", "column bars: 'many' is not a whole number above 0"),
    "seconds": ("-4", "column seconds: '-4' is not a number above 0"),
    "kinds": ("kick", "column kinds: 'kick' is no kind with its number of hits"),
    "licence": ("free!", "column licence"),
    "group": ("", "column group: empty"),
    "split": ("training", "column split: 'training' is none of train, valid, test"),
}


@pytest.mark.parametrize("column", BAD_CELLS)
def test_a_bad_cell_is_named_with_line_and_column(copy: Path, column: str) -> None:
    cell, found = BAD_CELLS[column]
    change(copy, lambda rows: rows[2].update({column: cell}))
    with pytest.raises(ManifestError, match=found) as error:
        load_grooves(copy)
    assert "line 4" in str(error.value) and error.value.hint


def test_a_manifest_that_is_none_is_named(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_grooves(tmp_path / "none.csv")
    change(copy, list.clear)
    with pytest.raises(ManifestError, match="a header but no rows"):
        load_grooves(copy)
    copy.write_text("id,path\nx,y\n")
    with pytest.raises(ManifestError, match="performance"):
        load_grooves(copy)


def test_two_rows_are_never_one_performance(copy: Path) -> None:
    change(copy, lambda rows: rows[1].update(performance=rows[0]["performance"]))
    with pytest.raises(ManifestError, match="is in line 2 already"):
        load_grooves(copy)


def test_a_class_of_licences_limits_performances(copy: Path) -> None:
    change(copy, lambda rows: [row.update(licence="CC0-1.0") for row in rows[:5]])
    grooves = load_grooves(copy)
    assert select_grooves_by_class(grooves, LicenceClass.ANY) is grooves
    permissive = select_grooves_by_class(grooves, LicenceClass.PERMISSIVE)
    assert len(permissive.entries) == 5 and permissive.digest != grooves.digest
    change(copy, lambda rows: [row.update(licence="") for row in rows])
    with pytest.raises(LibraryError, match="no performance has a licence of the class permissive"):
        select_grooves_by_class(load_grooves(copy), LicenceClass.PERMISSIVE)


def test_a_group_in_two_splits_is_refused(copy: Path) -> None:
    check_groove_groups(load_grooves(copy))
    change(copy, lambda rows: rows[0].update(split="test" if rows[0]["split"] != "test" else "train"))
    with pytest.raises(LibraryError, match="group drummer/ann is in"):
        check_groove_groups(load_grooves(copy))
    assert any("group drummer/ann is in" in problem for problem in find_groove_problems(load_grooves(copy)))


def _remove(grooves: Grooves) -> None:
    Path(str(grooves.path_of(grooves.entries[0]))).unlink()


def _change(grooves: Grooves) -> None:
    path = Path(str(grooves.path_of(grooves.entries[0])))
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize(("mend", "found"), [(_remove, "cannot be read"), (_change, "has changed since grooves.csv")])
def test_a_check_names_files_that_are_not_as_listed(copy: Path, mend: Callable[[Grooves], None], found: str) -> None:
    grooves = load_grooves(copy)
    mend(grooves)
    (problem,) = find_groove_problems(grooves)
    assert found in problem and grooves.entries[0].path in problem


def test_a_check_names_rows_that_are_not_true(copy: Path) -> None:
    change(copy, lambda rows: rows[0].update(bars="99", kinds="kick 1"))
    assert len(list(find_groove_problems(load_grooves(copy)))) == 2


def test_a_link_out_of_the_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mid"
    outside.write_bytes(b"x")
    (copy.parent / "link.mid").symlink_to(outside)
    change(copy, lambda rows: rows[0].update(path="link.mid"))
    with pytest.raises(RmodError, match="a link that leaves the folder"):
        load_grooves(copy)


def test_grooves_lie_on_a_store_too_and_travel_to_workers(copy: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    (copy.parent / "mine.yaml").write_text(MAP)
    change(copy, lambda rows: [row.update(map="mine.yaml") for row in rows[:6]])
    bucket = f"bucket-{uuid4().hex}"
    store = fsspec.filesystem("memory")
    for path in copy.parent.rglob("*"):
        if path.is_file():
            store.pipe(f"/{bucket}/{path.relative_to(copy.parent).as_posix()}", path.read_bytes())
    grooves = load_grooves(f"memory://{bucket}/grooves.csv")
    assert grooves.digest == load_grooves(copy).digest
    received: Grooves = pickle.loads(pickle.dumps(grooves))
    assert received == grooves
    assert not list(find_groove_problems(received))[6:], "the maps of six rows lack the tom"
