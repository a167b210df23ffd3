"""Choose the errors that a page plays: for each class the most confident ones of a system."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import from_pcm, to_pcm
from rmod_pipeline.errors import AssetError
from rmod_pipeline.evaluation.classifiers.hand_made import RATE
from rmod_pipeline.evaluation.classifiers.results import ComparisonResults
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds, read_beginning
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.pages.classifiers.tables import shown_system
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.players import PlayerGroup, make_player_group
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup, encode_flac

logger = logging.getLogger(__name__)

PER_CLASS = 3
_PEAK = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """The errors of one class, as players."""

    key: str
    groups: tuple[PlayerGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidentError:
    """One wrong answer."""

    index: int
    """Of the sound."""
    answer: str
    confidence: float
    true_confidence: float
    """Probability of the true class."""


def list_confident_errors(
    results: ComparisonResults, compared: ComparedSounds, kind: str, most: int = PER_CLASS
) -> list[ConfidentError]:
    """Return the most confident wrong answers to sounds of a class, by the system that the page shows."""
    rows = results.answers[shown_system(results)]
    true = CLASSES.index(kind)
    indices = [index for index, each in enumerate(compared.kinds) if each == kind]
    errors = [
        ConfidentError(
            index=index,
            answer=CLASSES[int(rows[index].argmax())],
            confidence=float(rows[index].max()),
            true_confidence=float(rows[index, true]),
        )
        for index in indices
        if int(rows[index].argmax()) != true
    ]
    return sorted(errors, key=lambda error: (-error.confidence, error.index))[:most]


def list_error_groups(results: ComparisonResults, compared: ComparedSounds) -> list[ErrorGroup]:
    """Return the players of the most confident errors, a group per class that has any."""
    if not results.tables:
        return []
    groups = []
    for kind in CLASSES:
        sounds = tuple(_make_sounds(list_confident_errors(results, compared, kind), compared))
        if sounds:
            title = f"{format_kind(kind)}, taken for"
            players = make_player_group(PageSoundGroup(title=title, sounds=sounds), f"errors of {kind}")
            groups.append(ErrorGroup(key=f"errors of {kind}", groups=(players,)))
    return groups


def _make_sounds(errors: list[ConfidentError], compared: ComparedSounds) -> Iterator[PageSound]:
    for error in errors:
        try:
            beginning = read_beginning(compared.sounds[error.index])
        except AssetError as problem:
            logger.warning("not on the page: %s", problem)
            continue
        peak = float(np.abs(beginning).max(initial=0.0))
        audio = (beginning * np.float32(_PEAK / peak) if peak > 0 else beginning)[None]
        data, mime = encode_flac(from_pcm(to_pcm(audio)), RATE)
        shares = f"{100 * error.confidence:.0f} % sure, {100 * error.true_confidence:.0f} % for the true class"
        label = format_kind(error.answer)
        yield PageSound(label=label, data=data, mime=mime, caption=f"{shares}: {compared.names[error.index]}")
