"""Laws of labels by ear: only sure ones, and never of a sound or a kit that something is measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rmod_pipeline.curation.pseudo_labels import find_pseudo_labels
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
from tests.curation.fake_classifier import FakeChoice
from tests.library.library_sounds import hit, write_sound


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("pseudo")
    for kit in range(4):
        for number in range(3):
            write_sound(folder / f"kit {kit}" / f"kick {number}.wav", hit(10 * kit + number, 0.1))
    scan_to_manifest(folder, folder / "m.csv", workers=1)
    return load_library(folder / "m.csv")


def with_splits(library: Library, splits: dict[str, str]) -> Library:
    """Return the library with the splits of kits."""
    return replace(library, assets=tuple(replace(asset, split=splits[asset.kit]) for asset in library.assets))


TRAIN = {f"kit {kit}": "train" for kit in range(4)}


def test_the_kinds_of_the_manifest_are_ignored(library: Library, tmp_path: Path) -> None:
    found = find_pseudo_labels([with_splits(library, TRAIN)], [], FakeChoice(), above=0.0)
    other = replace(library, assets=tuple(replace(asset, kind="piano") for asset in library.assets))
    again = find_pseudo_labels([with_splits(other, TRAIN)], [], FakeChoice(), above=0.0)
    assert len(found.sounds) == len(library.assets)
    assert [(sound.key, sound.kind) for sound in found.sounds] == [(sound.key, sound.kind) for sound in again.sounds]
    assert {sound.split for sound in found.sounds} == {"train"}


@pytest.mark.parametrize("above", [0.0, 0.4, 0.6, 1.0])
def test_only_sure_sounds_are_learned(library: Library, above: float) -> None:
    every = find_pseudo_labels([with_splits(library, TRAIN)], [], FakeChoice(), above=0.0)
    sure = find_pseudo_labels([with_splits(library, TRAIN)], [], FakeChoice(), above=above)
    assert {sound.key for sound in sure.sounds} <= {sound.key for sound in every.sounds}
    assert len(sure.sounds) + sure.doubtful == len(every.sounds)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_kits_that_are_measured_on_are_never_learned(library: Library, split: str) -> None:
    splits = {**TRAIN, "kit 0": split}
    # The same kit may be in the labelled library, or in the unlabelled one itself.
    for unlabelled, labelled in (
        ([with_splits(library, splits)], []),
        ([with_splits(library, TRAIN)], [with_splits(library, splits)]),
    ):
        found = find_pseudo_labels(unlabelled, labelled, FakeChoice(), above=0.0)
        of_kit = {asset.sha256 for asset in library.assets if asset.kit == "kit 0"}
        assert not of_kit & {sound.key for sound in found.sounds}
        assert found.held_out == len(of_kit)


def test_known_sounds_keep_their_labels(library: Library) -> None:
    found = find_pseudo_labels([with_splits(library, TRAIN)], [with_splits(library, TRAIN)], FakeChoice(), above=0.0)
    assert not found.sounds


def test_an_unreadable_sound_is_counted(library: Library) -> None:
    lost = replace(library.assets[0], id="lost", path="lost.wav", sha256="0" * 64, kit="other")
    unlabelled = replace(library, assets=(*with_splits(library, TRAIN).assets, replace(lost, split="train")))
    found = find_pseudo_labels([unlabelled], [], FakeChoice(), above=0.0)
    assert found.unreadable == 1
    assert "1 cannot be read" in found.describe()
