"""Laws of the cache of known sounds: it changes no answer, is never stale, and no damage or fault of it matters."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.extraction.answers.known_sounds import KnownSounds
from rmod_pipeline.extraction.answers.pick import SoundBank
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from tests.tiny_dose import RATE
from tests.tiny_ear import make_ear


@pytest.fixture(scope="module")
def ear() -> OpenedEar:
    return replace(make_ear(), source={"file": "ear.pth", "sha256": "ab" * 32})


@pytest.fixture(scope="module")
def library(tiny_manifest: Path) -> Library:
    return load_library(str(tiny_manifest))


@pytest.fixture(scope="module")
def expected(ear: OpenedEar, library: Library) -> SoundBank:
    """The kicks as they are without a cache."""
    return KnownSounds(ear, AudioStore(library, RATE)).bank("kick")


@pytest.fixture
def kept(ear: OpenedEar, library: Library, tmp_path: Path) -> Path:
    """A cache folder with the kicks."""
    KnownSounds(ear, AudioStore(library, RATE), tmp_path / "cache").bank("kick")
    return tmp_path / "cache"


class NoSounds(AudioStore):
    """A store that reads nothing."""

    def read(self, asset_id: str, trim: bool = True) -> Any:
        pytest.fail(f"{asset_id} was read")


def assert_equal(bank: SoundBank, expected: SoundBank) -> None:
    assert bank.assets == expected.assets
    assert bank.described.levels.equal(expected.described.levels)
    assert bank.described.embedding.equal(expected.described.embedding)


def test_the_cache_gives_the_same_descriptions_and_reads_no_sound(
    ear: OpenedEar, library: Library, expected: SoundBank, kept: Path
) -> None:
    known = KnownSounds(ear, NoSounds(library, RATE), kept)
    assert known.count_undescribed("kick") == 0
    assert_equal(known.bank("kick"), expected)


def test_sounds_are_described_once_per_command(ear: OpenedEar, library: Library) -> None:
    known, counts = KnownSounds(ear, AudioStore(library, RATE)), list[int]()
    assert known.count_undescribed("kick") == 7
    bank = known.bank("kick", counts.append)
    assert counts == [1] * 7
    assert known.bank("kick", counts.append) is bank
    assert (known.count_undescribed("kick"), len(counts)) == (0, 7)


def other_ear(ear: OpenedEar, library: Library) -> KnownSounds:
    return KnownSounds(replace(ear, source={**ear.source, "sha256": "cd" * 32}), AudioStore(library, RATE))


def fewer_sounds(ear: OpenedEar, library: Library) -> KnownSounds:
    assets = tuple(asset for asset in library.assets if asset.split == "train")
    return KnownSounds(ear, AudioStore(replace(library, assets=assets), RATE))


def changed_sound(ear: OpenedEar, library: Library) -> KnownSounds:
    kick = next(asset for asset in library.assets if asset.kind == "kick")
    assets = tuple(replace(asset, sha256="0" * 64) if asset == kick else asset for asset in library.assets)
    return KnownSounds(ear, AudioStore(replace(library, assets=assets), RATE))


def as_before(ear: OpenedEar, library: Library) -> KnownSounds:
    """Names, licences and other kinds of sounds do not matter."""
    assets = tuple(replace(asset, licence="MIT") for asset in library.assets if asset.kind == "kick")
    return KnownSounds(ear, AudioStore(replace(library, assets=assets), RATE))


@pytest.mark.parametrize(
    ("make", "is_kept"), [(other_ear, False), (fewer_sounds, False), (changed_sound, False), (as_before, True)]
)
def test_another_ear_or_another_library_is_another_entry(
    make: Callable[[OpenedEar, Library], KnownSounds], is_kept: bool, ear: OpenedEar, library: Library, kept: Path
) -> None:
    known = make(ear, library)
    known._folder = kept
    assert (known.count_undescribed("kick") == 0) == is_kept


def damage(path: Path, name: str) -> None:
    data = path.read_bytes()
    with np.load(path) as content:
        arrays = dict(content)
    stream = io.BytesIO()
    if name == "objects":
        arrays["audible"] = np.array([{}], object)
    elif name == "shape":
        arrays["levels"] = arrays["levels"][:, 1:]
    elif name == "index":
        arrays["audible"][-1] = 99
    np.savez_compressed(stream, **arrays)
    contents = {
        "empty": b"",
        "cut": data[: len(data) // 2],
        "flipped": data[:500] + bytes(byte ^ 255 for byte in data[500:600]) + data[600:],
        "pickle": pickle.dumps([1, 2]),
    }
    path.write_bytes(contents.get(name, stream.getvalue()))


@pytest.mark.parametrize("name", ["empty", "cut", "flipped", "pickle", "objects", "shape", "index"])
def test_a_damaged_file_is_computed_again(
    name: str, ear: OpenedEar, library: Library, expected: SoundBank, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = kept.iterdir()
    whole = path.read_bytes()
    damage(path, name)
    assert path.read_bytes() != whole
    known = KnownSounds(ear, AudioStore(library, RATE), kept)
    assert known.count_undescribed("kick") > 0
    assert_equal(known.bank("kick"), expected)
    assert caplog.text.count(f"{path} is damaged") == 1
    assert_equal(KnownSounds(ear, NoSounds(library, RATE), kept).bank("kick"), expected)


def test_a_cache_that_cannot_be_written_changes_no_answer(
    ear: OpenedEar, library: Library, expected: SoundBank, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    assert_equal(KnownSounds(ear, AudioStore(library, RATE), tmp_path / "file" / "cache").bank("kick"), expected)
    assert "cannot be written" in caplog.text
    assert (tmp_path / "file").read_text() == "mine"


def test_an_ear_without_a_checksum_keeps_nothing(library: Library, tmp_path: Path) -> None:
    KnownSounds(make_ear(), AudioStore(library, RATE), tmp_path / "cache").bank("kick")
    assert not (tmp_path / "cache").exists()
