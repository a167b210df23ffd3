"""Libraries of short, different sounds for the tests of searching by ear."""

from __future__ import annotations

from contextlib import closing
from hashlib import sha256
from pathlib import Path

import soundfile

from rmod_pipeline.curation.classification_cache import ClassificationCache
from rmod_pipeline.curation.classify_files import OpensClassifier, open_once
from rmod_pipeline.curation.neighbours.index import SoundIndex, index_library
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library, write_manifest
from tests.curation.fake_classifier import FakeChoice
from tests.library.library_sounds import asset, hit, write_sound

CHOICE = FakeChoice()
KINDS = ("kick", "snare", "hihat")


def make_library(folder: Path, count: int = 12) -> Library:
    """Return a library of sounds that all differ, a third of each kind."""
    for number in range(count):
        write_sound(folder / KINDS[number % 3] / f"{number:02}.wav", hit(number, 0.1))
    return write_library(folder)


def write_library(folder: Path) -> Library:
    """Return a library of all WAV, FLAC and OGG files of a folder; the kind is the name of the inner folder."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac", ".ogg"))
    rows = []
    for path in files:
        name, info = path.relative_to(folder), soundfile.info(path)
        rows.append(
            asset(
                name.as_posix().replace(".", "-"),
                path=name.as_posix(),
                kind=name.parts[0],
                sha256=sha256(path.read_bytes()).hexdigest(),
                frames=info.frames,
                sample_rate=info.samplerate,
            )
        )
    write_manifest(folder / "library.csv", rows)
    return load_library(folder / "library.csv")


def make_index(library: Library, choice: OpensClassifier = CHOICE, cache: Path | None = None) -> SoundIndex:
    """Return the index of a library."""
    with closing(ClassificationCache(cache, open_once(choice).source)) as opened:
        return index_library(library, choice, cache=opened)
