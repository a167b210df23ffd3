"""Classify files and folders of sounds into a list: one row per file, with the class or the reason why it has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.curation.classification_cache import ClassificationCache
from rmod_pipeline.curation.classify_files import ClassifiedFile, OpensClassifier, classify_files
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.process_pool import CountProgress
from rmod_pipeline.library.scanning.walk import find_audio_files

UNCERTAIN = "?"
"""Stands for the class of a sound about which the classifier abstains."""
UNUSABLE = "-"
"""Stands for the class of a file that could not be classified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSound:
    """One row of the list."""

    path: str
    """As it is reached from the path that the user gave."""
    kind: str = ""
    """The class; empty if the classifier abstains, and if there is a reason."""
    subkind: str = ""
    """A part of the class, such as open for hihat; empty if it has none, and if the class is empty."""
    confidence: float | None = None
    """Of the first guess, 0..1, calibrated; None if there is a reason."""
    guess: str = ""
    """The first guess, ``hihat/open``, whether it is certain or not."""
    second: str = ""
    """The second guess."""
    second_confidence: float | None = None
    seconds: float | None = None
    """Duration of the file; None if it is not known."""
    reason: str = ""
    """Why the file could not be classified; empty if it was."""


@dataclass(slots=True, kw_only=True)
class ListingCounts:
    """What a list holds."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Number of sounds by class; ``?`` counts those that are not certain."""
    unusable: int = 0
    """Number of files that could not be classified."""

    def add(self, sound: ListedSound) -> None:
        """Count a row."""
        if sound.reason:
            self.unusable += 1
        else:
            self.kinds[sound.kind or UNCERTAIN] += 1


@dataclass(slots=True, kw_only=True)
class FoundFiles:
    """The files below the paths that a user gave."""

    paths: list[Path] = field(default_factory=list)
    """Each once, in the order of the given paths, and sorted within a folder."""
    reasons: dict[Path, str] = field(default_factory=dict)
    """Why some of them are not even tried."""
    not_audio: int = 0
    """Number of other files, such as texts and pictures, and of hidden ones."""


def find_sound_files(given: Sequence[Path]) -> FoundFiles:
    """Return the sound files that are given, or lie in given folders and their subfolders.

    A file that is given by name is tried whatever it is. Raises UsageError if a path does not exist or none is given,
    and LibraryError if the folders hold no sound file.
    """
    found = FoundFiles()
    for path in given:
        if path.is_dir():
            contents = find_audio_files(path, path)
            found.reasons.update(contents.dropped)
            found.paths += sorted([*contents.files, *(dropped for dropped, _ in contents.dropped)])
            found.not_audio += len(contents.ignored)
        elif path.exists() or path.is_symlink():
            found.paths.append(path)
        else:
            raise UsageError(path, "no such file or folder", "give files or folders of sounds")
    found.paths = list(dict.fromkeys(found.paths))
    if not given:
        raise UsageError("PATH", "no path is given", "give files or folders of sounds")
    if not found.paths:
        others = f" ({found.not_audio} other files)" if found.not_audio else ""
        raise LibraryError(
            ", ".join(map(str, given)),
            f"no audio files{others}",
            "name a folder with WAV, AIFF, FLAC, OGG or MP3 files",
        )
    return found


def list_classes(
    found: FoundFiles,
    choice: OpensClassifier,
    *,
    cache: ClassificationCache,
    workers: int = 1,
    progress: CountProgress | None = None,
) -> Iterator[ListedSound]:
    """Yield a row per file, in the order of ``found.paths``. Raises ModelError for a bad classifier."""
    files = [SoundFile(path=path) for path in found.paths if path not in found.reasons]
    results = classify_files(files, choice, cache=cache, workers=workers, progress=progress)
    for path in found.paths:
        if path in found.reasons:
            yield ListedSound(path=_to_text(path), reason=found.reasons[path])
        else:
            yield _make_row(next(results))


def _make_row(result: ClassifiedFile) -> ListedSound:
    path = _to_text(result.file.path)
    answer = result.classification
    seconds = round(result.seconds, 4) if result.seconds else None
    if answer is None:
        return ListedSound(path=path, seconds=seconds, reason=result.reason)
    return ListedSound(
        path=path,
        kind=answer.kind,
        subkind=answer.best.subkind if answer.is_certain else "",
        confidence=round(answer.best.confidence, 4),
        guess=answer.best.name,
        second=answer.second.name,
        second_confidence=round(answer.second.confidence, 4),
        seconds=seconds,
    )


def _to_text(path: object) -> str:
    """Return a path that every file can hold; bytes of its name that are not UTF-8 are written as \\xNN."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
