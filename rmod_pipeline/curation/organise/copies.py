"""Choose which copy of a sound is placed. The others are listed as copies of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from rmod_pipeline.curation.organise.records import SourceSound

_LOSSY_SUFFIXES = frozenset({".mp3", ".mp2", ".mp1", ".mpga", ".ogg", ".oga", ".opus"})

_NAME_OF_COPY = re.compile(r"\b(?:copy|copia|copie|kopie)\b|\(\d+\)$", re.IGNORECASE)
"""What file managers call a second copy: "kick copy", "Copy of kick", "kick (2)"."""

Rank = tuple[bool, int, int, float, bool, bool, int, str]


def choose_copies(
    sounds: Iterable[SourceSound], placed_before: frozenset[tuple[str, str]] = frozenset()
) -> dict[str, SourceSound]:
    """Return the copy of each sound that is placed, by the name of the sound.

    placed_before: path and SHA-256 of the files that an earlier run placed; those stay. Of other copies the best one is
    placed, as ``quality_rank`` says.
    """
    chosen: dict[str, tuple[tuple[bool, Rank], SourceSound]] = {}
    for sound in sounds:
        rank = (sound.path, sound.sha256) not in placed_before, quality_rank(sound)
        if sound.sound not in chosen or rank < chosen[sound.sound][0]:
            chosen[sound.sound] = rank, sound
    return {name: sound for name, (_, sound) in chosen.items()}


def quality_rank(sound: SourceSound) -> Rank:
    """Return a key that sorts the copies of a sound, the best first.

    Files without loss come first, then the higher sample rate, more channels, the longer one, names that say the kind,
    names that do not say copy, shorter paths, the alphabet.
    """
    path = PurePosixPath(sound.path)
    is_lossy = path.suffix.lower() in _LOSSY_SUFFIXES
    quality = (is_lossy, -sound.sample_rate, -sound.channels, -round(sound.seconds, 2))
    return *quality, not sound.is_named, bool(_NAME_OF_COPY.search(path.stem)), len(sound.path), sound.path
