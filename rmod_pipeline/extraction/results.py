"""What an extraction asks for and what comes out: records, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import UsageError

MOST_WINDOWS, MOST_TRIES, MOST_BATCH = 64, 256, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionConfig:
    """How to extract. Raises UsageError for values that cannot be."""

    windows: int = 3
    """Places of the song to listen to, for each instrument; as many as ``at`` has, if that is given."""
    at: tuple[float, ...] = ()
    """Where the windows begin, in seconds; empty to look where the drum is heard clearly."""
    tries: int = 4
    """Sampled candidates of each window, beside the greedy one."""
    temperature: float = 0.8
    top_p: float = 0.9
    seed: int = 0
    batch: int = 8
    """Candidates that are generated at once; the results are the same but where a tie is near."""
    trim: bool = True
    """Whether silence is cut off a sound's end."""
    normalize: bool = True
    """Whether a sound is made as loud as it may be."""

    def __post_init__(self) -> None:
        for option, value, least, most in (
            ("--windows", self.windows, 1, MOST_WINDOWS),
            ("--tries", self.tries, 0, MOST_TRIES),
            ("--batch", self.batch, 1, MOST_BATCH),
        ):
            if not least <= value <= most:
                raise UsageError(option, f"{value} cannot be", f"give {least} to {most}")
        if len(self.at) > MOST_WINDOWS:
            raise UsageError("--at", f"given {len(self.at)} times", f"give it {MOST_WINDOWS} times at most")
        for second in self.at:
            if not 0 <= second < float("inf"):
                raise UsageError("--at", f"{second:g} s is in no song", "give seconds from the song's beginning")
        for option, number, most in (("--temperature", self.temperature, 100), ("--top-p", self.top_p, 1)):
            if not 0 <= number <= most:
                raise UsageError(option, f"{number:g} cannot be", f"give more than 0, and {most} at most")
        if self.tries and self.temperature == 0:
            found = f"{self.temperature:g}: {self.tries} sampled tries would all be the greedy one"
            raise UsageError("--temperature", found, "give more than 0, such as 1, or --tries 0")
        if self.top_p == 0:
            raise UsageError("--top-p", "0 leaves nothing to choose from", "give more than 0, such as 0.9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the song that a model listened to."""

    seconds: float
    """Where in the song it begins."""
    clarity_db: float | None
    """How clearly the drum is heard in it (``hearing``); None where it was told."""
    hits: tuple[float, ...]
    """Where the drum is heard in it, in seconds from its beginning."""
    audio: Mono
    """What the codec was given: [samples] at its rate, silence after the song's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A one-shot that a model made."""

    window: int
    """Its place in ``Extracted.windows``."""
    number: int
    """0 is the greedy try, the sampled ones follow."""
    seed: int
    temperature: float
    top_p: float
    log_probability: float
    """Mean over its codes, in nats, under the model's own distribution: nearer to 0 is surer."""
    silent: bool
    gain_db: float
    """What was added to its level."""
    codes: NDArray[np.uint16]
    """[codebooks, frames]"""
    audio: Mono
    """[samples] at the codec's rate, polished."""
    apart: float | None = None
    """Spectral distance from what all candidates have in common, the less the better; None where there is no such
    thing: of a silent one, and where fewer than three sound."""
    misfit_db: float | None = None
    """How badly it explains the window, the less the better (``match``); None where that does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """All candidates for one instrument."""

    instrument: str
    windows: tuple[Window, ...]
    candidates: tuple[Candidate, ...]
    """The best first: those that sound before silent ones, then what is nearest to what all have in common, then the
    surest."""
    checkpoint: Mapping[str, Any]
    """Which model made them: file, sha256, recipe, step."""

    @property
    def best(self) -> Candidate:
        """The one to take."""
        return self.candidates[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What was taken out of a song."""

    about: str
    """The song's name."""
    seconds: float
    """Of the song."""
    asked: ExtractionConfig
    codec: CodecIdentity
    instruments: tuple[Extracted, ...]
    notes: tuple[str, ...]
    """What a user ought to know: a song that is shorter than a window, a drum that is nowhere heard."""

    def __getitem__(self, instrument: str) -> Extracted:
        """Return what was extracted for one instrument. Raises KeyError."""
        for extracted in self.instruments:
            if extracted.instrument == instrument:
                return extracted
        raise KeyError(instrument)

    def __contains__(self, instrument: object) -> bool:
        return any(extracted.instrument == instrument for extracted in self.instruments)
