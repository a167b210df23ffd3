"""Turn a sound into what a classifier hears: its beginning at one rate, with a peak of 1, as log-mel levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, db_to_gain, swing, to_channels
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.read import resample, trim_leading_silence

Levels = NDArray[np.uint8]
"""[windows, bands, frames]: log-mel levels of a sound."""

END_DB = -70.0
"""A sound ends where it stays below this level relative to its peak."""
REST_FRAMES = 6
"""Frames of silence after the end, in which the network sees that it is the end."""
FRAME_STEP = 8
"""Lengths are multiples of this many frames, so that sounds of similar length can be heard together."""
_CANCELLED = 0.1
"""If the mean of two channels has less than this part of their peak, they cancel, and the left one is used."""
LONGEST_READ_SECONDS = 30.0


def prepare_sound(audio: Audio, sample_rate: int, rate: int = 44_100) -> Mono:
    """Return the mono sound [samples] at ``rate`` Hz of audio [channels, frames]: from its onset on, with no offset.

    Silence stays silence. Channels that cancel each other are not added.
    """
    sound = trim_leading_silence(audio[:, : round(LONGEST_READ_SECONDS * sample_rate)])
    mono = to_channels(sound, 1)
    if swing(mono) < _CANCELLED * swing(sound):
        mono = sound[:1]
    prepared: Mono = resample(mono, sample_rate, rate)[0]
    return prepared


def compute_sound_levels(sound: Mono, features: LogMel, seconds: float) -> Levels:
    """Return the levels of at most the first ``seconds`` of a sound [samples], scaled to a peak of 1.

    The frames are a multiple of ``FRAME_STEP``. Raises ValueError for a sound with NaN or infinite samples.
    """
    beginning = normalize_beginning(sound[: round(seconds * features.sample_rate)])
    frames = -(-beginning.size // features.hop) + REST_FRAMES
    frames += -frames % FRAME_STEP
    return features.compute(np.pad(beginning, (0, frames * features.hop - beginning.size)).astype(np.float32))


def normalize_beginning(beginning: Mono) -> Mono:
    """Return the beginning of a sound [samples] with a peak of 1, without its quiet end.

    Silence stays as it is. Raises ValueError for NaN and infinite samples.
    """
    if not np.isfinite(beginning).all():
        raise ValueError("NaN or infinite samples")
    highest = np.float32(np.abs(beginning).max(initial=0.0))
    if highest == 0:
        return beginning
    beginning = beginning / highest
    return beginning[: int(np.flatnonzero(np.abs(beginning) > db_to_gain(END_DB))[-1]) + 1]


def batch_by_length(frames: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield batches of the indices of sounds that have the same number of frames, the shortest first.

    No sound is padded to the length of a neighbour, so what is heard of it does not depend on the others.
    """
    by_frames: dict[int, list[int]] = {}
    for index, count in enumerate(frames):
        by_frames.setdefault(count, []).append(index)
    for _, indices in sorted(by_frames.items()):
        for start in range(0, len(indices), size):
            yield indices[start : start + size]
