"""The records of a kit: candidates for its pads, the sounds that were chosen, and the kit as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.drum_kit.measure import RATE
from rmod_pipeline.curation.drum_kit.pads import ESSENTIAL, Pad

WEAK = 0.2
"""A sound whose class has less than this share of the probability of all drums is a weak one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPlace:
    """A part of a file."""

    source: str
    """POSIX path relative to the folder of sounds."""
    sha256: str
    """Of the file's bytes. Copies of a file are one place."""
    sample_rate: int
    """Of the file, in Hz."""
    start: int
    """The first frame of its attack, from the beginning of the file."""
    frames: int
    """Length, of a candidate up to the next onset or the end of the file."""

    @property
    def order(self) -> tuple[str, int]:
        """A key by which places sort in the same order whatever the files are called."""
        return self.sha256, self.start

    @property
    def end(self) -> int:
        """The frame after the last one."""
        return self.start + self.frames

    def overlaps(self, other: SoundPlace) -> bool:
        """Return whether two places share a moment of the same recording."""
        return self.sha256 == other.sha256 and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class PadCandidate:
    """A sound of a file that may become a pad."""

    place: SoundPlace
    scores: Mapping[str, float]
    """Score as it is, untuned, by pad."""
    clarity_db: float
    """Level of the attack relative to what sounds before it, 0 to 30."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """How good a sound is for a pad."""

    score: float
    """What sounds are ranked by: the log of the probability, less what is bad about the sound."""
    probability: float
    """Probability of the pad's class if the sound is a drum, 0..1."""
    drum: float
    """Probability that it is a drum at all, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What makes a drum of a sound."""

    seconds: float
    """Length of the sound after the change of speed."""
    semitones: float
    """Change of speed; above 0 the sound becomes higher and shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedCandidate:
    """A candidate as one pad would play it."""

    pad: Pad
    found: SoundPlace
    """Where it was found, up to the next onset."""
    place: SoundPlace
    """The part of it that is taken."""
    tuning: Tuning
    rating: Rating
    centre_hz: float
    embedding: NDArray[np.float32]
    """[dimensions], of length 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PadSound:
    """A sound of the finished kit."""

    pad: Pad
    file: str
    """Name in the folder of the kit."""
    low_velocity: int
    high_velocity: int
    """MIDI velocities that play it, 1..127."""
    audio: Audio
    """[1 or 2, samples] at 44.1 kHz."""
    gain_db: float
    """Gain relative to the source."""
    candidate: TunedCandidate
    licence: str = ""
    credit: str = ""
    """Origin, for attribution."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.audio.shape[1] / RATE)

    @property
    def is_weak(self) -> bool:
        """Whether the sound is little like its class."""
        return self.candidate.rating.probability < WEAK


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    """What became of the files of a folder."""

    files: int
    """Audio files."""
    used: int
    """Those in which a sound was found."""
    sounds: int
    """Sounds in them."""
    unused: tuple[tuple[str, str], ...] = ()
    """Each file that could not be used, with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumKit:
    """A finished kit, in memory."""

    name: str
    author: str
    pads: tuple[Pad, ...]
    """The pads that were asked for, in the order of the table."""
    sounds: tuple[PadSound, ...]
    """In the order of pads; of a pad, the best first."""
    round_robin: bool = False
    """Whether the sounds of a pad take turns, instead of sharing the velocities."""
    counts: SourceCounts
    options: Mapping[str, object] = field(default_factory=dict)
    """The options that decide the kit, and the classifier."""

    def sounds_of(self, pad: Pad) -> tuple[PadSound, ...]:
        """Return the sounds of a pad, the best first; none if nothing was found for it."""
        return tuple(sound for sound in self.sounds if sound.pad == pad)

    @property
    def played(self) -> tuple[Pad, ...]:
        """The pads that have a sound."""
        return tuple(pad for pad in self.pads if self.sounds_of(pad))

    @property
    def missing(self) -> tuple[Pad, ...]:
        """The pads for which nothing was found."""
        return tuple(pad for pad in self.pads if not self.sounds_of(pad))

    @property
    def weak(self) -> tuple[PadSound, ...]:
        """The best sound of each pad whose best sound is a weak one."""
        return tuple(self.sounds_of(pad)[0] for pad in self.played if self.sounds_of(pad)[0].is_weak)

    @property
    def is_playable(self) -> bool:
        """Whether kick, snare and hi-hat have a sound, as far as they were asked for."""
        played = {pad.kind for pad in self.played}
        return all(kind in played for kind in ESSENTIAL if kind in {pad.kind for pad in self.pads})

    @property
    def licence(self) -> str:
        """The licence of the whole as an SPDX expression; empty if that of a sound is unknown."""
        licences = sorted({sound.licence for sound in self.sounds})
        parts = [f"({each})" if " " in each and len(licences) > 1 else each for each in licences]
        return "" if "" in licences else " AND ".join(parts)
