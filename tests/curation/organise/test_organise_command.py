"""`rmod library organise`: output, exit codes, dry runs, mistakes, and whole runs on real sounds."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rmod_pipeline as rmod_api
from rmod_pipeline.codec import torch_support
from rmod_pipeline.curation.organise import run as run_module
from rmod_pipeline.curation.organise.facts import gather_facts
from rmod_pipeline.curation.organise.records import PLACED, TABLE_NAME, TO_PLACE
from rmod_pipeline.curation.organise.run import OrganiseOptions
from rmod_pipeline.curation.organise.table import COLUMNS, read_table
from rmod_pipeline.errors import ModelError, RmodError, UsageError
from tests.curation.organise.organise_helpers import actions, organise, snapshot
from tests.library.library_sounds import hit, write_sound

Rmod = Callable[..., Any]


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """A messy folder: flattened names, numbers, copies, odd names, files that cannot be used."""
    folder = tmp_path / "messy"
    for number, path in enumerate(
        ["kick 1.wav", "a/Kick 1.wav", "b/kick 1.wav", "SNARE.flac", "Hats/Open/01.wav", "Hats/02.wav", "0001.wav"]
    ):
        write_sound(folder / path, hit(number, 0.1))
    shutil.copy(folder / "SNARE.flac", folder / "SNARE copy.flac")
    write_sound(folder / "renders" / "x.wav", hit(0, 0.1) * 0.5)
    shutil.copy(folder / "0001.wav", folder / "CON.wav")
    write_sound(folder / "NUL .wav", hit(20, 0.1))
    write_sound(folder / "two\nlines: tom?.wav", hit(21, 0.1))
    (folder / "broken.wav").write_bytes(b"RIFF")
    (folder / "readme.txt").write_text("hello")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees what another one measured."""
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(rmod: Rmod, *arguments: object) -> Any:
    return rmod("library", "organise", *arguments)


def test_organise_and_undo(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    before, to = snapshot(messy), tmp_path / "tidy"
    result = run(rmod, messy, "--to", to, "--names-only")
    assert result.code == 0, result
    for text in (
        "9 placed",
        "3 copies",
        "2 skipped",
        "kick",
        "open",
        f"rmod library organise --undo {to / TABLE_NAME}",
    ):
        assert text in result.out
    assert snapshot(messy) == before
    rows = {row.old_path: row for row in read_table(to / TABLE_NAME)}
    assert set(rows) == {path for path, (kind, *_) in before.items() if kind == "file"}
    places = {path: row.new_path for path, row in rows.items() if row.action == PLACED}
    assert {place.rpartition("/")[2] for place in places.values()} == {
        "kick 1-2.wav", "kick 1-3.wav", "Kick 1.wav", "SNARE.flac", "01.wav", "02.wav", "CON_.wav", "NUL_.wav",
        "two_lines_ tom_.wav",
    }  # fmt: skip
    assert rows["renders/x.wav"].action == f"copy of {places['kick 1.wav']}"
    assert rows["CON.wav"].is_copy or rows["0001.wav"].is_copy
    assert rows["Hats/Open/01.wav"].new_path.startswith("hihat/open/")
    made = snapshot(to)
    again = run(rmod, messy, "--to", to, "--names-only")
    assert again.code == 0 and snapshot(to) == made
    undone = run(rmod, "--undo", to / TABLE_NAME)
    assert undone.code == 0 and "9 files taken away" in undone.out
    assert snapshot(to) == {} and snapshot(messy) == before


def test_a_dry_run_writes_nothing_and_says_what_a_run_does(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    to = tmp_path / "new" / "tidy"
    before = snapshot(messy)
    dry = run(rmod, messy, "--to", to, "--names-only", "--dry-run", "--csv", "-")
    assert dry.code == 0 and "9 to place" in dry.err and "Nothing was changed" in dry.err
    assert snapshot(messy) == before and not to.parent.exists()
    planned = list(csv.DictReader(io.StringIO(dry.out)))
    assert tuple(planned[0]) == COLUMNS
    plan = tmp_path / "plan.csv"
    assert run(rmod, messy, "--to", to, "--names-only", "--dry-run", "--csv", plan).code == 0
    assert not to.parent.exists()
    assert run(rmod, messy, "--to", to, "--names-only").code == 0
    placed = [(row.old_path, row.new_path, row.action.replace(PLACED, TO_PLACE)) for row in read_table(to / TABLE_NAME)]
    assert [(row["old_path"], row["new_path"], row["action"]) for row in planned] == placed
    assert [(row.old_path, row.new_path, row.action) for row in read_table(plan)] == placed
    made = snapshot(to)
    assert run(rmod, messy, "--to", to, "--names-only", "--dry-run").code == 0
    assert snapshot(to) == made


def test_files_that_cannot_be_used_are_kept_if_asked(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    assert run(rmod, messy, "--to", tmp_path / "tidy", "--names-only", "--keep-unknown").code == 0
    assert (tmp_path / "tidy" / "unsorted" / "broken.wav").read_bytes() == b"RIFF"
    assert not list((tmp_path / "tidy").rglob("readme*"))


@pytest.mark.parametrize("flag", ["--links", "--hard-links"])
def test_links_in_place_of_copies(rmod: Rmod, messy: Path, tmp_path: Path, flag: str) -> None:
    before = snapshot(messy)
    assert run(rmod, messy, "--to", tmp_path / "tidy", "--names-only", flag).code == 0
    placed = [path for path in (tmp_path / "tidy").rglob("*") if path.suffix in (".wav", ".flac")]
    assert len(placed) == 9 and all(path.is_symlink() == (flag == "--links") for path in placed)
    assert all(any(path.samefile(messy / name) for name in before) for path in placed)
    assert run(rmod, "--undo", tmp_path / "tidy" / TABLE_NAME).code == 0
    assert snapshot(messy) == before


def test_a_manifest_is_a_source(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "library.csv"
    assert rmod("library", "scan", messy, "--out", manifest).code == 0
    assert run(rmod, manifest, "--to", tmp_path / "tidy").code == 0
    rows = read_table(tmp_path / "tidy" / TABLE_NAME)
    assert rows and {row.kind_from for row in rows} == {"manifest"}
    inside = run(rmod, manifest, "--to", messy / "Hats" / "tidy")
    assert inside.code == 2 and "lies in the source" in inside.err


def test_two_sources_share_a_tree_and_are_undone_together(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    other, to = tmp_path / "other", tmp_path / "tidy"
    write_sound(other / "kick 1.wav", hit(30, 0.1))
    shutil.copy(messy / "SNARE.flac", other / "mine.flac")
    assert run(rmod, messy, "--to", to, "--names-only").code == 0
    first = read_table(to / TABLE_NAME)
    assert run(rmod, other, "--to", to, "--names-only").code == 0
    rows = read_table(to / TABLE_NAME)
    assert set(first) < set(rows)
    assert {row.old_path: row.action.partition(" ")[0] for row in rows if row.folder == str(other.resolve())} == {
        "kick 1.wav": "placed",
        "mine.flac": "copy",
    }
    assert run(rmod, "--undo", to / TABLE_NAME).code == 0 and snapshot(to) == {}


def test_undo_ends_with_1_if_a_file_was_changed(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    to = tmp_path / "tidy"
    assert run(rmod, messy, "--to", to, "--names-only").code == 0
    changed = next((to / "kick").rglob("*.wav"))
    changed.write_bytes(b"mine now")
    repeated = run(rmod, messy, "--to", to, "--names-only")
    assert repeated.code == 0 and "changed since an earlier run placed it, and kept" in repeated.out
    dry = run(rmod, "--undo", to / TABLE_NAME, "--dry-run")
    assert dry.code == 1 and "8 files would be taken away" in dry.out
    undone = run(rmod, "--undo", to / TABLE_NAME)
    assert undone.code == 1 and f"kept: {changed.relative_to(to).as_posix()}" in undone.out
    assert [path for path in to.rglob("*") if path.is_file()] == [changed] and changed.read_bytes() == b"mine now"


def test_a_file_that_could_not_be_placed_ends_with_1(
    rmod: Rmod, messy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather_and_change(*arguments: Any) -> Any:
        found = gather_facts(*arguments)
        write_sound(messy / "SNARE.flac", hit(99, 0.1))
        return found

    monkeypatch.setattr(run_module, "gather_facts", gather_and_change)
    (messy / "SNARE copy.flac").unlink()
    result = run(rmod, messy, "--to", tmp_path / "tidy", "--names-only")
    assert result.code == 1 and "could not be placed: SNARE.flac" in result.out
    monkeypatch.undo()
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    assert organise(messy, tmp_path / "tidy").failed == ()


def test_a_stopped_run_continues(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    def stop(step: str, done: int, total: int) -> None:
        if step == "Placing" and done == 3:
            raise KeyboardInterrupt

    to = tmp_path / "tidy"
    with pytest.raises(KeyboardInterrupt):
        organise(messy, to, progress=stop)
    rows = read_table(to / TABLE_NAME)
    assert sum(row.action == PLACED for row in rows) == 3 and sum(row.action == TO_PLACE for row in rows) == 6
    assert run(rmod, messy, "--to", to, "--names-only").code == 0
    organise(messy, tmp_path / "whole")
    assert snapshot(to) == snapshot(tmp_path / "whole")


@pytest.mark.parametrize("stopped_at", ["Reading", "Comparing"])
def test_a_run_that_was_stopped_while_it_measured_has_written_nothing(
    messy: Path, tmp_path: Path, stopped_at: str
) -> None:
    def stop(step: str, done: int, total: int) -> None:
        if step == stopped_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        organise(messy, tmp_path / "tidy", progress=stop)
    assert not (tmp_path / "tidy").exists()


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("messy", "is the source itself"),
        ("messy/Hats", "lies in the source"),
        ("messy/new/tidy", "lies in the source"),
        (".", "holds the source"),
        ("link/tidy", "lies in the source"),
        ("messy/readme.txt", "is a file"),
    ],
)
@pytest.mark.parametrize("dry", [True, False])
def test_a_tree_lies_apart_from_its_source(
    rmod: Rmod, messy: Path, tmp_path: Path, to: str, found: str, dry: bool
) -> None:
    (tmp_path / "link").symlink_to(messy)
    before = snapshot(messy)
    result = run(rmod, messy, "--to", tmp_path / to, *(["--dry-run"] if dry else []))
    assert result.code == 2 and found in result.err, result
    assert snapshot(messy) == before


def test_a_full_disk_is_found_before_anything_is_written(
    messy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=20_000))
    with pytest.raises(UsageError, match="are needed") as error:
        organise(messy, tmp_path / "new" / "tidy")
    assert "--links" in error.value.hint and not (tmp_path / "new").exists()
    organise(messy, tmp_path / "links", OrganiseOptions(mode="link"))
    monkeypatch.undo()
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    made = organise(messy, tmp_path / "tidy").files
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert organise(messy, tmp_path / "tidy").files == made, "what is placed needs no space"


def test_a_tree_that_cannot_be_written_is_refused_before_the_sounds_are_read(
    messy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(UsageError, match="cannot be written: Read-only file system"):
            organise(messy, tmp_path / "tidy", progress=lambda *_: pytest.fail("it reads"))
    assert not (tmp_path / "tidy").exists()


def test_mistakes_end_with_2_and_say_what_to_do(rmod: Rmod, messy: Path, tmp_path: Path) -> None:
    to = tmp_path / "tidy"
    (tmp_path / "plan.csv").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / TABLE_NAME).write_text("path,kind\n")
    for arguments, found in (
        ([], "no SRC"),
        ([messy], "no --to"),
        ([tmp_path / "none", "--to", to], "no such folder or manifest"),
        ([messy, "--to", to, "--pattern", "{size}/{name}"], "{size} is no field"),
        ([messy, "--to", to, "--links", "--hard-links"], "exclude each other"),
        ([messy, "--to", to, "--listen", "--names-only"], "exclude each other"),
        ([messy, "--to", to, "--csv", tmp_path / "x.csv"], "is for --dry-run"),
        ([messy, "--to", to, "--dry-run", "--csv", tmp_path / "plan.csv"], "exists already"),
        ([messy, "--to", tmp_path / "foreign"], "was not written by"),
        ([messy, "--to", "s3://bucket/tidy"], "object store"),
        ([messy, "--undo", tmp_path / "x.csv"], "takes a CSV and no SRC"),
        (["--undo", tmp_path / "none.csv"], "no such file"),
        (["--undo", tmp_path / "plan.csv"], "was not written by"),
        (["--undo", to.parent], "is a folder"),
    ):
        result = run(rmod, *arguments)
        assert result.code == 2 and found in result.err and "->" in result.err, (arguments, result)
        assert not to.exists() and (tmp_path / "plan.csv").read_text() == "mine"


def test_the_api_organises_and_undoes(messy: Path, tmp_path: Path) -> None:
    result = rmod_api.organise(messy, to=tmp_path / "tidy", names_only=True, pattern="{kind}/{name}", progress=False)
    assert isinstance(result, rmod_api.OrganiseResult) and result.table.exists()
    assert actions(result)["broken.wav"].startswith("skipped: ")
    assert (tmp_path / "tidy" / "snare" / "SNARE.flac").exists()
    undone = rmod_api.undo_organise(result.table, progress=False)
    assert isinstance(undone, rmod_api.UndoResult) and len(undone.removed) == 9
    with pytest.raises(RmodError, match="links: and hard_links exclude each other"):
        rmod_api.organise(messy, to=tmp_path / "tidy", links=True, hard_links=True, progress=False)


def test_a_classifier_that_is_asked_for_is_opened_before_the_sounds_are_read(
    rmod: Rmod, messy: Path, tmp_path: Path, own_cache: Path
) -> None:
    result = run(rmod, messy, "--to", tmp_path / "tidy", "--model", tmp_path / "none.pth")
    assert result.code == 2 and "none.pth" in result.err and "->" in result.err
    assert not (own_cache / "scan.sqlite").exists() and not (tmp_path / "tidy").exists()


def test_without_a_classifier_names_decide(
    rmod: Rmod, messy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("torch", "not installed", "install it")

    monkeypatch.setattr(torch_support, "require_torch", refuse)
    result = run(rmod, messy, "--to", tmp_path / "tidy")
    assert result.code == 0 and "stay unknown: not installed" in caplog.text
    assert run(rmod, messy, "--to", tmp_path / "other", "--listen").code == 2


def test_help_imports_no_heavy_packages() -> None:
    code = (
        "import sys; from rmod_pipeline.cli.groups.library import app\n"
        "try: app(['organise', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'torch', 'soundfile', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]") and "--undo" in result.stdout
