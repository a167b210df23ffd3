"""Let an ear tell the kinds of files whose names say nothing, and doubt names that are wrong.

Names come first. The ear decides where a name says nothing, and where it is sure of another drum than a name says. What
a labels file says always stays. The scan does not know what listens: see ``Listener``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Protocol

from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.taxonomy import NOT_A_DRUM, ONE_SHOT_KINDS, class_of

NAME, LABELS, EAR = "name", "labels", "ear"
"""Where the kind of a sound is from."""
SURE = 0.95
"""An ear that is less confident than this doubts no name."""
IMPROBABLE = 0.02
"""A name is doubted only if the ear gives its class less than this."""
FAMILIES = (
    frozenset({"kick", "tom", "conga", "bongo"}),
    frozenset({"snare", "clap", "rim"}),
    frozenset({"hihat", "cymbal", "shaker", "tambourine"}),
    frozenset({"cowbell", "clave", "percussion"}),
)
"""Classes that an ear takes for each other. A name is overruled only by a class of another family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindByEar:
    """What an ear says of one file."""

    kind: str
    """The most probable kind, as manifests call it: open_hihat."""
    is_certain: bool
    """Whether the ear is above its calibrated threshold."""
    confidences: Mapping[str, float]
    """Calibrated probability of each class of the taxonomy."""

    @property
    def class_name(self) -> str:
        """The most probable class."""
        return max(self.confidences, key=lambda name: self.confidences[name])

    @property
    def confidence(self) -> float:
        """Probability of that class."""
        return self.confidences[self.class_name]


class Listener(Protocol):
    """What hears files for a scan."""

    def hear(self, paths: Sequence[Path], progress: ScanProgress | None) -> Iterator[KindByEar | str]:
        """Yield what each file is, in order; for one that cannot be heard, the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedLabel:
    """A file whose name or label the ear contradicts."""

    path: PurePath
    """Of the scan: relative to the root."""
    claimed: str
    """The kind by its name or label."""
    claimed_by: str
    """``name`` or ``labels``."""
    by_ear: str
    """The kind by ear."""
    confidence: float
    used: str
    """The kind that the manifest has."""

    @property
    def detail(self) -> str:
        """The finding in words, for a report."""
        source = "its name says" if self.claimed_by == NAME else "the labels say"
        return f"{source} {self.claimed}, the ear hears {self.by_ear} ({self.confidence:.2f}); used as {self.used}"


def hear_kinds(
    descriptions: Mapping[Path, PathDescription], listener: Listener, progress: ScanProgress | None = None
) -> tuple[dict[Path, PathDescription], list[SuspectedLabel]]:
    """Return the descriptions with the kinds that an ear adds or corrects, and every contradiction.

    Loops and phrases are not listened to: an ear for drums does not tell a bass from a piano.
    """
    to_hear = [path for path, description in descriptions.items() if _needs_ear(description)]
    decided, suspects = dict(descriptions), []
    for path, answer in zip(to_hear, listener.hear(to_hear, progress), strict=True):
        if isinstance(answer, str):
            if not descriptions[path].kind:
                decided[path] = replace(descriptions[path], ear_reason=f"kind unknown: {answer}; use --labels")
            continue
        decided[path], suspect = _decide(path, descriptions[path], answer)
        if suspect:
            suspects.append(suspect)
    return decided, suspects


def _needs_ear(description: PathDescription) -> bool:
    return not description.several_hits and (not description.kind or description.kind in ONE_SHOT_KINDS)


def _decide(
    path: Path, description: PathDescription, answer: KindByEar
) -> tuple[PathDescription, SuspectedLabel | None]:
    """Return the description of one file with the kind to use, and the contradiction if there is one."""
    if not description.kind:
        return _name_unknown(description, answer), None
    named = class_of(description.kind)
    confidence = answer.confidences.get(named[0], 0.0) if named else 0.0
    kept = replace(description, confidence=confidence)
    if not contradicts(answer, confidence):
        return kept, None
    overruled = description.kind_from == NAME and not (named and are_alike(named[0], answer.class_name))
    used = replace(kept, kind=answer.kind, kind_from=EAR, confidence=answer.confidence) if overruled else kept
    suspect = SuspectedLabel(
        path=path,
        claimed=description.kind,
        claimed_by=description.kind_from,
        by_ear=answer.kind,
        confidence=answer.confidence,
        used=used.kind,
    )
    return used, suspect


def contradicts(answer: KindByEar, named_confidence: float) -> bool:
    """Return whether an ear is sure of another drum than a name says, whose class it gives ``named_confidence``.

    A drum is not doubted because an ear hears none: it has met few of all the sounds that are none.
    """
    return (
        answer.is_certain
        and answer.class_name != NOT_A_DRUM
        and answer.confidence >= SURE
        and named_confidence <= IMPROBABLE
    )


def are_alike(first: str, second: str) -> bool:
    """Return whether two classes are of one family: then an ear doubts a name and does not overrule it."""
    return any(first in family and second in family for family in FAMILIES)


def _name_unknown(description: PathDescription, answer: KindByEar) -> PathDescription:
    """Return the description of a file whose name says nothing."""
    guess = f"{answer.kind} ({answer.confidence:.2f})"
    if not answer.is_certain:
        return replace(description, ear_reason=f"kind unknown: by ear perhaps {guess}; use --labels")
    if answer.class_name == NOT_A_DRUM:
        return replace(description, ear_reason=f"no drum by ear: {guess}; list it in --labels if it is one")
    return replace(description, kind=answer.kind, kind_from=EAR, confidence=answer.confidence)
