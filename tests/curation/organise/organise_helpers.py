"""Make facts, trees of files and listeners for the tests of organising."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from rmod_pipeline.classification.results import ClassGuess, Classification
from rmod_pipeline.curation.classify_files import ClassifiedFile
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN, Pattern, parse_pattern
from rmod_pipeline.curation.organise.records import (
    TABLE_NAME,
    Existing,
    Mode,
    OrganisedFile,
    OrganisePlan,
    SourceFacts,
    SourceLeftover,
    SourceSound,
)
from rmod_pipeline.curation.organise.run import OrganiseOptions, OrganiseResult, organise_sounds
from rmod_pipeline.library.scanning.cache import ScanCache

PATTERN: Pattern = parse_pattern(DEFAULT_PATTERN)

ODD_NAMES = (
    "CON", "nul.tar", "com1", "Kick.", "kick ", " kick", "a:b?", "two\nlines", "tab\there", "dots...", "..kick",
    "é", "e\u0301", "É", "straße", "STRASSE", "ﬁsh", "fish", "K", "k", "\u212a", "🥁", "x" * 250, "ü" * 120, "a" * 246,
    "kick-2", "kick", "Kick", "organised", "organised.csv", "unsorted", "{name}", "=1+1", "\u200bkick", "\u202ekick",
)  # fmt: skip
"""Names of files without suffix that some system refuses, or takes for another one."""

NAMES = st.sampled_from(ODD_NAMES) | st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
SUFFIXES = st.sampled_from([".wav", ".WAV", ".flac", "", ". ", ".w:v"])


def digest(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def sound(path: str, **changes: object) -> SourceSound:
    """Return the facts of a sound whose bytes are its path; ``changes`` replace the default values."""
    values: dict[str, object] = {
        "path": path, "sha256": digest(path), "sound": digest(path), "kind": "kick", "kind_from": "name",
        "brightness": "dark", "length": "short", "seconds": 0.2, "sample_rate": 44_100, "channels": 1,
    }  # fmt: skip
    return SourceSound(**(values | changes))  # type: ignore[arg-type]


def facts(
    sounds: Sequence[SourceSound], leftovers: Sequence[SourceLeftover] = (), folder: str = "/source"
) -> SourceFacts:
    return SourceFacts(folder=folder, sounds=tuple(sounds), leftovers=tuple(leftovers))


class FakeEntry:
    """A file or folder of a tree that exists in a test alone."""

    def __init__(self, path: str, sha256: str = "", is_folder: bool = False) -> None:
        self.path, self.sha256, self.is_folder = path, sha256, is_folder

    def holds(self, row: OrganisedFile) -> bool:
        return not self.is_folder and self.sha256 == row.sha256


def tree_of(files: Sequence[OrganisedFile], others: Mapping[str, str] | None = None) -> Existing:
    """Return the tree in which the placed files of a plan lie, and other files by path and SHA-256."""
    from rmod_pipeline.curation.organise.naming.safe_names import path_key

    entries = [FakeEntry(file.new_path, file.sha256) for file in files if file.has_place]
    entries += [FakeEntry(path, sha256) for path, sha256 in (others or {}).items()]
    found: dict[str, FakeEntry] = {}
    for entry in entries:
        found[path_key(entry.path.split("/"))] = entry
        parts = entry.path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            found.setdefault(path_key(parts[:depth]), FakeEntry(folder, is_folder=True))
    return found


def snapshot(folder: Path) -> dict[str, tuple[str, bytes, int]]:
    """Return everything in a folder: its type, its bytes or the text of a link, and the time of a file but a table."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = "link", os.fsencode(path.readlink()), 0
        elif path.is_dir():
            content = "folder", b"", 0
        else:
            content = "file", path.read_bytes(), 0 if path.name == TABLE_NAME else status.st_mtime_ns
        found[path.relative_to(folder).as_posix()] = content
    return found


def classification(kind: str, subkind: str = "", confidence: float = 0.95, certain: bool = True) -> Classification:
    """Return what a classifier says that hears a kind."""
    rest = (1 - confidence) / 2
    others = [name for name in ("kick", "snare", "hihat", "not_a_drum") if name != kind][:2]
    guesses = [ClassGuess(kind=kind, subkind=subkind, confidence=confidence)]
    guesses += [ClassGuess(kind=name, subkind="", confidence=rest) for name in others]
    return Classification(guesses=tuple(guesses), is_certain=certain, embedding=np.ones(1, np.float32))


class FakeListener:
    """Says of each file what a table says of its name, and remembers what it was asked about."""

    def __init__(self, answers: Mapping[str, Classification]) -> None:
        self.answers, self.names = answers, list[str]()

    def __call__(self, files: Sequence[SoundFile]) -> Iterator[ClassifiedFile]:
        for file in files:
            name = Path(str(file.path)).name
            self.names.append(name)
            answer = self.answers.get(name)
            yield ClassifiedFile(file=file, classification=answer, reason="" if answer else "nothing to hear")


def organise(
    source: Path,
    to: Path,
    options: OrganiseOptions | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> OrganiseResult:
    with closing(ScanCache(None)) as cache:
        return organise_sounds(source, to, options or OrganiseOptions(), cache=cache, progress=progress)


def options(mode: Mode = "copy", **changes: object) -> OrganiseOptions:
    return OrganiseOptions(mode=mode, **changes)  # type: ignore[arg-type]


def places(plan: OrganisePlan) -> dict[str, str]:
    """Return the new path of each placed file by its old path."""
    return {file.old_path: file.new_path for file in plan.files if file.has_place}


def actions(result: OrganiseResult | OrganisePlan) -> dict[str, str]:
    return {file.old_path: file.action for file in result.files}
