"""Define what a system is given, and what it has to give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rmod_pipeline.codec.window import Mono


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What a system is given: one mixture of a test set."""

    key: str
    audio: Mono
    """[samples] float32, the mean of the channels."""
    sample_rate: int
    onsets: Mapping[str, tuple[int, ...]]
    """By kind: the frames of the known hits, for systems that are told where they are."""


class System(Protocol):
    """Something that extracts one-shots from mixtures."""

    @property
    def name(self) -> str:
        """The name in tables."""
        ...

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the one-shot of a kind [samples] float32 at the mixture's rate; None if there is no answer."""
        ...
