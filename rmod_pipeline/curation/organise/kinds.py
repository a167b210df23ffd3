"""Decide the kind of a sound from its name and from what a classifier says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.curation.listener import to_kind_by_ear
from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.kinds.names import read_name
from rmod_pipeline.library.scanning.listening import are_alike, contradicts
from rmod_pipeline.library.taxonomy import CLASSES, NOT_A_DRUM, ONE_SHOT_KINDS, class_of, read_subkind

NAME, EAR, BOTH, MANIFEST = "name", "ear", "both", "manifest"
"""What told a kind."""

LOOP, ROLL = "loop", "roll"
"""The subkinds of sounds with several hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindAnswer:
    """What kind a sound is, and what says so."""

    kind: str = ""
    """Class, or the kind itself for sounds that are no drums; empty if nothing says it with certainty."""
    subkind: str = ""
    confidence: float | None = None
    """Probability of the kind by the classifier, 0..1; of its first guess for a sound without a kind."""
    kind_from: str = ""
    """One of ``NAME``, ``EAR``, ``BOTH`` and ``MANIFEST``; empty without a kind."""
    note: str = ""


def answer_by_name(kind: str, path: str, kind_from: str = NAME) -> KindAnswer:
    """Return the answer for a kind of a scan or a manifest, with the subkind that the names of the path tell.

    A kind is written as its class and its part of it: ``open_hihat`` as hihat and open. Music keeps its kind: bass.
    """
    if not kind:
        return KindAnswer()
    name, subkind = class_of(kind) or (kind, "")
    if name == NOT_A_DRUM:
        return KindAnswer(kind=kind, kind_from=kind_from)
    if not subkind and name in CLASSES:
        # A member of a class, such as a timbale, is a part of it here.
        subkind = kind if kind not in CLASSES and kind != name else _read_subkind(name, PurePosixPath(path))
    return KindAnswer(kind=name, subkind=subkind, kind_from=kind_from)


def find_several_hits(description: PathDescription, hits: int) -> str:
    """Return ``loop`` or ``roll`` for a sound with several hits, by its name or by the hits counted; else empty.

    Hits count for drums and for sounds without a kind: music has many onsets.
    """
    if description.several_hits:
        return ROLL if description.is_roll else LOOP
    return LOOP if hits > 1 and (not description.kind or description.kind in ONE_SHOT_KINDS) else ""


def may_be_listened_to(kind: str) -> bool:
    """Return whether a classifier of drums can say anything of a sound with this class: not of a bass or a piano."""
    return not kind or kind in CLASSES


def combine_answers(named: KindAnswer, classification: Classification | None) -> KindAnswer:
    """Return the answer of the name and the classifier together, by the rules of a scan that listens.

    The classifier decides where a name says nothing. It overrules a name if it is sure of a drum of another family and
    holds the name for improbable; it only doubts one of the same family, and a manifest. Doubts and uncertain guesses
    are noted.
    """
    if classification is None or not may_be_listened_to(named.kind):
        return named
    return _check_name(named, classification) if named.kind else _answer_by_ear(classification)


def _answer_by_ear(classification: Classification) -> KindAnswer:
    """Return the answer for a sound whose name says nothing."""
    best = classification.best
    if not classification.is_certain:
        return KindAnswer(confidence=best.confidence, note=f"perhaps {best.name}")
    return KindAnswer(kind=best.kind, subkind=best.subkind, confidence=best.confidence, kind_from=EAR)


def _check_name(named: KindAnswer, classification: Classification) -> KindAnswer:
    """Return the answer for a sound whose name or manifest says a kind."""
    best, answer = classification.best, to_kind_by_ear(classification)
    probability = answer.confidences.get(named.kind, 0.0)
    if best.kind == named.kind and classification.is_certain:
        return replace(named, subkind=named.subkind or best.subkind, confidence=probability, kind_from=BOTH)
    if not contradicts(answer, probability):
        return replace(named, confidence=probability)
    if named.kind_from == MANIFEST or are_alike(named.kind, best.kind):
        return replace(named, confidence=probability, note=f"by ear {best.name}, {best.confidence:.2f}")
    note = f"the name says {named.kind}"
    return KindAnswer(kind=best.kind, subkind=best.subkind, confidence=best.confidence, kind_from=EAR, note=note)


def _read_subkind(class_name: str, path: PurePosixPath) -> str:
    """Return the subkind that the name of a file tells, else the nearest folder that sorts sounds, as Low Toms does."""
    # The title of a pack sorts nothing: "Low End Kit".
    folders = (folder for folder in reversed(path.parts[:-1]) if read_name(folder).has_only_descriptors)
    for name in (path.stem, *folders):
        subkind = read_subkind(class_name, name)
        if subkind:
            return subkind
    return ""
