"""The answers of a DOSE model: several tries for each mixture, of which a rank chooses one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono, fit_window
from rmod_pipeline.evaluation.systems.base import BatchSystem, Mixture
from rmod_pipeline.extraction.answers.generate import generate_candidates
from rmod_pipeline.extraction.answers.pick import score_candidates_by_ear
from rmod_pipeline.extraction.answers.ranking import rank_generated
from rmod_pipeline.extraction.extractor import Extractor
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.extraction.results import ExtractionConfig, GeneratedCandidate, Window

BATCH = 16
"""Mixtures whose candidates are generated at once."""

Tries = list[GeneratedCandidate]


@dataclass(slots=True)
class DoseTries:
    """A DOSE model with its tries for the last mixtures, which several ranks share."""

    extractors: dict[str, Extractor]
    """By kind."""
    codec: Codec
    tries: int
    """Sampled candidates per mixture, beside the greedy one."""
    _last: tuple[tuple[str, ...], str] | None = field(default=None, init=False)
    _tries: list[Tries] = field(default_factory=list, init=False)
    _windows: list[Window] = field(default_factory=list, init=False)

    def generate(self, mixtures: Sequence[Mixture], kind: str) -> tuple[list[Window], list[Tries]]:
        """Return for each mixture the window that the model is given, and its candidates, the greedy one first."""
        identity = tuple(mixture.key for mixture in mixtures), kind
        if identity != self._last:
            hop = self.codec.identity.hop
            frames = self.extractors[kind].window_samples(self.codec.identity) // hop
            self._windows = [
                Window(seconds=0.0, clarity_db=None, hits=(), audio=fit_window(mixture.audio, frames, hop).audio)
                for mixture in mixtures
            ]
            self._tries = [[] for _ in mixtures]
            config = ExtractionConfig(tries=self.tries, batch=BATCH * (1 + self.tries))
            made = generate_candidates(self.extractors[kind], self._windows, self.codec, config, lambda _count: None)
            for candidate in made:
                self._tries[candidate.window].append(replace(candidate, window=0))
            self._last = identity
        return self._windows, self._tries


Rank = Callable[[Tries, str, Window], GeneratedCandidate]


@dataclass(frozen=True, slots=True)
class DoseSystem(BatchSystem):
    """A DOSE model whose tries are ranked in one way."""

    model: DoseTries
    rank: Rank

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the chosen candidates; None for a kind that the model does not extract."""
        if kind not in self.model.extractors:
            return [None] * len(mixtures)
        windows, tries = self.model.generate(mixtures, kind)
        return [self.rank(some, kind, window).audio for some, window in zip(tries, windows, strict=True)]


def rank_greedy(tries: Tries, _kind: str, _window: Window) -> GeneratedCandidate:
    """Return the greedy candidate."""
    return tries[0]


@dataclass(frozen=True, slots=True)
class ExtractRank:
    """Rank as `rmod extract --answer generated` does: by what the tries have in common and by what the ear heard."""

    ear: OpenedEar | None
    sample_rate: int

    def __call__(self, tries: Tries, kind: str, window: Window) -> GeneratedCandidate:
        """Return the best candidate."""
        if self.ear is not None and kind in self.ear.instruments:
            described = self.ear.describe_windows(kind, [window.audio])
            tries = score_candidates_by_ear(self.ear, kind, described, tries)
        return rank_generated(tries, kind, [window], self.sample_rate)[0]
