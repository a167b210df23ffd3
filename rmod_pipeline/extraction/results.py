"""Define the configuration and the results of an extraction. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import UsageError, check_seed

MOST_WINDOWS, MOST_TRIES, MOST_BATCH = 64, 256, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionConfig:
    """How to extract one-shots. Raises UsageError for values out of range."""

    windows: int = 3
    """Windows of the song per instrument; where ``at`` is given, it decides instead."""
    at: tuple[float, ...] = ()
    """Start times of the windows in seconds; empty to choose windows where the drum is heard clearly."""
    tries: int = 4
    """Sampled candidates per window, in addition to the greedy one."""
    temperature: float = 0.8
    top_p: float = 0.9
    seed: int = 0
    batch: int = 8
    """Candidates that are generated at once. It affects results only where two tokens are almost equally likely."""
    trim: bool = True
    """Cut off the silence at the end of a sound."""
    normalize: bool = True
    """Scale a sound so that its peak is just below full scale."""

    def __post_init__(self) -> None:
        for option, count, least, most in (
            ("--windows", self.windows, 1, MOST_WINDOWS),
            ("--tries", self.tries, 0, MOST_TRIES),
            ("--batch", self.batch, 1, MOST_BATCH),
        ):
            if not least <= count <= most:
                raise UsageError(option, f"{count} is out of range", f"give {least} to {most}")
        check_seed(self.seed)
        self._check_positions()
        self._check_sampling()

    def _check_positions(self) -> None:
        if len(self.at) > MOST_WINDOWS:
            raise UsageError("--at", f"given {len(self.at)} times", f"give it {MOST_WINDOWS} times at most")
        for second in self.at:
            if not 0 <= second < float("inf"):
                raise UsageError("--at", f"{second:g} s is in no song", "give seconds from the start of the song")

    def _check_sampling(self) -> None:
        for option, number, most in (("--temperature", self.temperature, 100), ("--top-p", self.top_p, 1)):
            if not 0 <= number <= most:
                raise UsageError(option, f"{number:g} is out of range", f"give more than 0, and {most} at most")
        if self.tries and self.temperature == 0:
            found = f"{self.temperature:g}: all {self.tries} sampled tries would equal the greedy one"
            raise UsageError("--temperature", found, "give more than 0, such as 1, or --tries 0")
        if self.top_p == 0:
            raise UsageError("--top-p", "0 leaves no token to choose from", "give more than 0, such as 0.9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the song that the model was given."""

    seconds: float
    """Start of the window in the song."""
    clarity_db: float | None
    """How clearly the drum is heard in it (see ``onsets``); None where the user chose the window."""
    hits: tuple[float, ...]
    """Times of the drum's hits, in seconds from the start of the window."""
    audio: Mono
    """Input of the codec: [samples] at its rate, silence after the end of the song."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A one-shot that a model generated."""

    window: int
    """Index of its window in ``InstrumentExtraction.windows``."""
    try_index: int
    """0 is the greedy try; the sampled ones follow."""
    seed: int
    temperature: float
    top_p: float
    log_probability: float
    """Mean over its codes, in nats, under the model's own distribution; values nearer to 0 are more likely."""
    silent: bool
    gain_db: float
    """Gain that ``polish`` applied."""
    codes: NDArray[np.uint16]
    """[codebooks, frames]"""
    audio: Mono
    """[samples] at the codec's rate, polished."""
    distance_from_mean: float | None = None
    """Spectral distance from the weighted mean of all candidates; less is better. None for silent candidates, and
    where fewer than three are not silent."""
    misfit_db: float | None = None
    """How badly it explains its window (see ``misfit``); less is better. None where it is not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentExtraction:
    """All candidates for one instrument."""

    instrument: str
    windows: tuple[Window, ...]
    candidates: tuple[Candidate, ...]
    """The best first: silent ones last, then by distance from the mean, then by log-probability."""
    checkpoint: Mapping[str, Any]
    """The model that generated them: file, sha256, recipe, step."""

    @property
    def best(self) -> Candidate:
        """The candidate of the highest rank."""
        return self.candidates[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The one-shots that were extracted from a song."""

    about: str
    """Name of the song."""
    seconds: float
    """Length of the song."""
    config: ExtractionConfig
    codec: CodecIdentity
    instruments: tuple[InstrumentExtraction, ...]
    notes: tuple[str, ...]
    """Remarks for the user: a song shorter than a window, an instrument without clear hits."""

    def __getitem__(self, instrument: str) -> InstrumentExtraction:
        """Return the candidates for one instrument. Raises KeyError."""
        for extraction in self.instruments:
            if extraction.instrument == instrument:
                return extraction
        raise KeyError(instrument)

    def __contains__(self, instrument: object) -> bool:
        """Return whether the instrument was extracted."""
        return any(extraction.instrument == instrument for extraction in self.instruments)
