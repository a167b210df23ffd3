"""Laws of a scan that listens: names first, the ear where they say nothing or where it is sure that they are wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.listening import (
    EAR,
    FAMILIES,
    IMPROBABLE,
    LABELS,
    NAME,
    SURE,
    KindByEar,
    hear_kinds,
)
from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
from rmod_pipeline.library.taxonomy import NOT_A_DRUM, class_of
from tests.library.library_sounds import hit, write_sound

CLASSES = ("kick", "snare", "clap", "hihat", NOT_A_DRUM)


class FakeListener:
    """Hears what a table says by file name."""

    def __init__(self, answers: Mapping[str, KindByEar | str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def hear(self, paths: Sequence[Path], progress: ScanProgress | None) -> Iterator[KindByEar | str]:
        for path in paths:
            self.asked.append(path.name)
            yield self.answers.get(path.name, "not asked for")


def heard(kind: str, confidence: float, certain: bool = True) -> KindByEar:
    name = (class_of(kind) or (kind, ""))[0]
    rest = (1 - confidence) / (len(CLASSES) - 1)
    return KindByEar(
        kind=kind, is_certain=certain, confidences={each: confidence if each == name else rest for each in CLASSES}
    )


@given(
    st.sampled_from(["", "kick", "snare", "open_hihat", "bass"]),
    st.sampled_from([NAME, LABELS]),
    st.sampled_from(["kick", "snare", "clap", "open_hihat", NOT_A_DRUM]),
    st.floats(0.3, 1.0),
    st.booleans(),
)
def test_what_an_ear_may_change(kind: str, kind_from: str, ear: str, confidence: float, certain: bool) -> None:
    path = Path("a.wav")
    description = PathDescription(kind=kind, kind_from=kind_from)
    listener = FakeListener({"a.wav": heard(ear, confidence, certain)})
    decided, suspects = hear_kinds({path: description}, listener)
    used = decided[path]
    if kind == "bass":
        assert (used, suspects, listener.asked) == (description, [], [])
        return
    is_same = bool(kind) and class_of(kind)[0] == class_of(ear)[0]  # type: ignore[index]
    if not kind:
        assert used.kind == (ear if certain and ear != NOT_A_DRUM else "")
        assert not suspects
    elif used.kind != kind:
        # A name is overruled only by an ear that is sure of another drum; a label never.
        assert (used.kind, used.kind_from, kind_from) == (ear, EAR, NAME)
        assert certain and confidence >= SURE and not is_same and ear != NOT_A_DRUM
        assert not any({class_of(kind)[0], class_of(ear)[0]} <= family for family in FAMILIES)  # type: ignore[index]
    if suspects:
        assert certain and confidence >= SURE and not is_same and ear != NOT_A_DRUM
        assert (suspects[0].claimed, suspects[0].by_ear, suspects[0].used) == (kind, ear, used.kind)
    if kind and certain and not is_same and ear != NOT_A_DRUM and confidence >= 1 - IMPROBABLE:
        assert suspects


def test_loops_are_not_listened_to() -> None:
    listener = FakeListener({})
    hear_kinds({Path("a.wav"): PathDescription(several_hits="loop"), Path("b.wav"): PathDescription()}, listener)
    assert listener.asked == ["b.wav"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["Sample 1", "Sample 2", "Sample 3", "snare 4", "kick 5", "Sample 6"]):
        write_sound(tmp_path / "sounds" / f"{name}.wav", hit(number))
    return tmp_path / "sounds"


ANSWERS: dict[str, KindByEar | str] = {
    "Sample 1.wav": heard("open_hihat", 0.8),
    "Sample 2.wav": heard("clap", 0.6, certain=False),
    "Sample 3.wav": heard(NOT_A_DRUM, 0.99),
    "snare 4.wav": heard("kick", 0.97),
    "kick 5.wav": heard("kick", 0.7),
    "Sample 6.wav": "not readable as audio",
}


def test_a_scan_records_where_each_kind_is_from(folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    scan = scan_to_manifest(folder, manifest, workers=1, listener=FakeListener(ANSWERS))
    rows = {asset.path.split("/")[-1]: asset for asset in load_library(manifest).assets}
    assert {name: (row.kind, row.kind_from, row.confidence) for name, row in rows.items()} == {
        "Sample 1.wav": ("open_hihat", EAR, 0.8),
        "snare 4.wav": ("kick", EAR, 0.97),
        "kick 5.wav": ("kick", NAME, 0.7),
    }
    reasons = {PurePosixPath(file.path).name: file.reason for file in scan.dropped}
    assert "perhaps clap (0.60)" in reasons["Sample 2.wav"]
    assert reasons["Sample 3.wav"].startswith("no drum by ear: not_a_drum (0.99)")
    assert reasons["Sample 6.wav"] == "kind unknown: not readable as audio; use --labels"
    with (tmp_path / "m.report.csv").open(encoding="utf-8", newline="") as file:
        found = [row for row in csv.DictReader(file) if row["finding"] == "suspect"]
    assert [row["path"].split("/")[-1] for row in found] == ["snare 4.wav"]
    assert found[0]["detail"] == "its name says snare, the ear hears kick (0.97); used as kick"


def test_a_scan_without_an_ear_writes_the_columns_of_old(folder: Path, tmp_path: Path) -> None:
    scan_to_manifest(folder, tmp_path / "m.csv", workers=1)
    header = (tmp_path / "m.csv").read_text(encoding="utf-8").splitlines()
    assert not any("kind_from" in line for line in header)


def test_labels_are_doubted_and_kept(folder: Path, tmp_path: Path) -> None:
    labels = folder / "labels.csv"
    labels.write_text("path,kind,kit,licence,source\nsnare 4.wav,snare,,,\n", encoding="utf-8")
    scan = scan_to_manifest(folder, tmp_path / "m.csv", labels=labels, workers=1, listener=FakeListener(ANSWERS))
    kept = next(asset for asset in scan.assets if asset.path.endswith("snare 4.wav"))
    assert (kept.kind, kept.kind_from) == ("snare", LABELS)
    assert [suspect.used for suspect in scan.suspects] == ["snare"]


def test_the_digest_of_a_library_does_not_depend_on_confidence(folder: Path, tmp_path: Path) -> None:
    """The same kinds make the same data, however sure the ear was."""
    sure = {name: answer if isinstance(answer, str) else heard(answer.kind, 0.96) for name, answer in ANSWERS.items()}
    digests = set()
    for number, answers in enumerate((sure, {**sure, "kick 5.wav": heard("kick", 0.5)})):
        scan_to_manifest(folder, tmp_path / f"{number}.csv", workers=1, listener=FakeListener(answers))
        digests.add(load_library(tmp_path / f"{number}.csv").digest)
    assert len(digests) == 1


@pytest.mark.parametrize("cell", ["2", "-0.1", "sure", "nan"])
def test_a_confidence_that_is_no_probability_is_refused(folder: Path, tmp_path: Path, cell: str) -> None:
    from rmod_pipeline.errors import ManifestError

    manifest = tmp_path / "m.csv"
    scan_to_manifest(folder, manifest, workers=1, listener=FakeListener(ANSWERS))
    text = manifest.read_text(encoding="utf-8").replace(",0.80\n", f",{cell}\n")
    manifest.write_text(text, encoding="utf-8")
    with pytest.raises(ManifestError, match="confidence"):
        load_library(manifest)
