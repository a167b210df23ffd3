"""Bad input is named, with what is wrong and what to do, and costs nothing that is finished."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rmod_pipeline.errors import AssetError
from rmod_pipeline.shards.layout import Layout
from tests.cli.bad_input import GROUPS, RELEASES, all_cases, make_world
from tests.cli.bad_input_mends import MENDS
from tests.cli.bad_input_world import DONE, FOUND, Case, World
from tests.cli.commands import check_commands
from tests.cli.mending import Fault, Mend
from tests.tiny_build import PATIENCE_SECONDS, list_drafts, reproducible_files, start_rmod

Rmod = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> World:
    return make_world(tmp_path)


LONG = (RELEASES, "Evaluations", "Folders of pairs")
"""Groups that take long, because each case makes a whole release, an evaluation or a data set."""


def marked_cases() -> list[Any]:
    return [
        pytest.param(group, case, id=f"{group}-{case.name}", marks=[pytest.mark.long] if group in LONG else [])
        for group, case in all_cases()
    ]


@pytest.mark.parametrize(("group", "case"), marked_cases())
def test_bad_input_is_named_with_its_remedy(group: str, case: Case, world: World, rmod: Rmod) -> None:
    """Each message names what is wrong, and its first remedy mends it."""
    arguments = list(map(str, case.act(world)))
    before, entries = reproducible_files(world.folder), set(world.folder.rglob("*"))
    said = rmod(*arguments)
    assert said.code == case.code, said
    for words in case.says:
        assert words in " ".join((said.out + said.err).split()), said
    assert "Traceback" not in said.err
    assert "Warning" not in said.err
    assert group != RELEASES or set(world.folder.rglob("*")) == entries
    assert {name for name, data in before.items() if (world / name).read_bytes() != data} == set()
    if case.finished >= 0:
        assert len(Layout(world.out).receipts()) == case.finished
    if case.code == 2:
        assert not list_drafts(world.out)
    listed = {path.name for path in world.folder.iterdir()} | {path.name for path in world.folder.parent.iterdir()}
    assert not any("x-0000" in name for name in listed), "something was written outside of --out"
    check_commands(said.err)
    for mend in case.mends[:1]:
        mended = rmod(*mend(Fault(world, arguments, said.err + said.out, rmod)))
        assert mended.code == DONE, (said.err, mended)
    assert case.mends, "a message without a remedy"


@pytest.mark.parametrize(
    ("case", "mend"),
    [
        pytest.param(case, mend, id=f"{case.name}, remedy {number}", marks=[pytest.mark.long] if group in LONG else [])
        for group, case in all_cases()
        for number, mend in enumerate(case.mends[1:], start=2)
    ],
)
def test_the_other_remedies_of_a_message_mend_too(case: Case, mend: Mend, world: World, rmod: Rmod) -> None:
    arguments = list(map(str, case.act(world)))
    said = rmod(*arguments)
    assert said.code == case.code, said
    mended = rmod(*mend(Fault(world, arguments, said.err + said.out, rmod)))
    assert mended.code == DONE, (said.err, mended)


def test_without_the_space_check_a_build_begins(world: World, rmod: Rmod, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last remedy of the message about a disk that is too small, on a disk that looks small."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1000))
    said = rmod(*world.build(pairs="train=3"))
    assert said.code == 2
    assert "or --no-space-check" in said.err
    assert rmod(*world.build("--no-space-check", pairs="train=3")).code == DONE


def test_every_remedy_belongs_to_a_case() -> None:
    assert {group: [case.name for case in cases] for group, cases in GROUPS.items()} == {
        group: list(mends) for group, mends in MENDS.items()
    }


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_source_that_comes_back_completes_the_build(workers: int, world: World, tiny_built: Path, rmod: Rmod) -> None:
    """The shards that do without the file are made; the same command makes the rest once it is back."""
    sound = world.sound("kick/valid-1.wav")
    sound.rename(world / "kept.wav")
    said = rmod(*world.build("--workers", workers))
    assert said.code == FOUND
    assert "valid-000000 failed" in said.err
    assert "kick/valid-1.wav" in said.err
    assert said.err.count("no such file") == 2, "told when it happens and in the list at the end, though tried twice"
    assert "10 train" in said.out
    assert not list_drafts(world.out)
    assert (world.out / "log" / "runs.jsonl").read_text().count('"again"') == 1
    (world / "kept.wav").rename(sound)
    said = rmod(*world.build("--workers", workers))
    assert said.code == 0
    assert "10 of 12 pairs exist already" in said.err
    assert "Built 2 pairs" in said.out
    assert reproducible_files(world.out) == reproducible_files(tiny_built)


def test_a_hiccup_of_the_disk_costs_nothing(
    world: World, tiny_built: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that cannot be read once, and can when it is tried again, fails no shard and changes no byte."""
    from rmod_pipeline.library import read

    real, hiccups = read.read_bytes, [True]

    def hiccup(path: Path) -> bytes:
        if hiccups and "kick/train" in str(path):
            hiccups.pop()
            raise AssetError(path, "cannot be read: Stale file handle", "try again")
        return real(path)

    monkeypatch.setattr(read, "read_bytes", hiccup)
    assert rmod(*world.build()).code == 0
    assert not hiccups
    assert reproducible_files(world.out) == reproducible_files(tiny_built)


def test_a_run_in_which_everything_failed_does_not_say_that_all_was_there(world: World, rmod: Rmod) -> None:
    shutil.rmtree(world.library.parent / "snare")
    said = rmod(*world.build())
    assert said.code == FOUND
    assert "Nothing to do" not in said.out
    assert "5 shard(s) failed" in said.err


def test_receipts_of_a_folder_that_is_refused_stay(world: World, rmod: Rmod) -> None:
    """Another data set whose tars were moved away keeps the receipts that prove them."""
    shutil.rmtree(world.built().out / "audio")
    assert rmod(*world.build("--seed", 1)).code == 2
    assert len(Layout(world.out).receipts()) == 5


def test_two_different_builds_begun_at_once_on_one_folder_do_not_mix(world: World) -> None:
    runs = [start_rmod(world.build("--seed", seed)) for seed in (0, 1)]
    said = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], said
    assert "holds another data set" in said[[run.returncode for run in runs].index(2)][1]


def test_a_log_that_cannot_be_written_is_told_once_and_stops_no_build(
    world: World, tiny_built: Path, rmod: Rmod, caplog: pytest.LogCaptureFixture
) -> None:
    (world.out / "log" / "runs.jsonl").mkdir(parents=True)
    assert rmod(*world.build()).code == 0
    assert caplog.text.count("the log of runs cannot be written") == 1
    assert reproducible_files(world.out) == reproducible_files(tiny_built)


def test_the_page_tells_of_every_case() -> None:
    """With its exit code, and in the order of the cases; what is said there is what was said when it was written."""
    page = (Path(__file__).parents[2] / "docs" / "guides" / "bad-input.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[:2] for line in page.partition("## Disks")[0].splitlines() if line.startswith("| ")]
    told = [(name.removeprefix("| "), int(code)) for name, code in rows if code.isdecimal()]
    assert told == [(case.name, case.code) for _, case in all_cases()]
    assert f"What rmod says to {len(told)} kinds of bad input" in page
