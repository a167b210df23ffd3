"""Copies of a sound as packs hold them: at another level, rate, format, depth or trim.

`test_library_near.py` asks that those of ``DISGUISES`` are found; `benchmarks/near_duplicates.py` counts how many are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, peak
from rmod_pipeline.library.read import onset, resample
from tests.library.library_sounds import RATE, encoded

Disguise = Callable[[Audio, int], bytes]
"""Makes a file of a sound [channels, frames] and its rate."""


def level(audio: Audio, rate: int) -> bytes:
    return encoded(audio * db_to_gain(-13), rate, subtype="PCM_16")


def deeper(audio: Audio, rate: int) -> bytes:
    return encoded(audio * db_to_gain(-10), rate, "FLAC", subtype="PCM_24")


def flipped(audio: Audio, rate: int) -> bytes:
    return encoded(-0.9 * audio, rate)


def other_rate(audio: Audio, rate: int) -> bytes:
    target = 44_100 if rate == 48_000 else 48_000
    return encoded(np.clip(resample(audio, rate, target), -1, 1), target, subtype="PCM_24")


def at_rate(target: int) -> Disguise:
    return lambda audio, rate: encoded(np.clip(resample(audio, rate, target), -1, 1), target)


def mono(audio: Audio, rate: int) -> bytes:
    return encoded(audio.mean(axis=0, keepdims=True), rate)


def silence_before(audio: Audio, rate: int) -> bytes:
    return encoded(np.pad(audio, ((0, 0), (rate // 12, 1000))), rate)


def silence_cut(audio: Audio, rate: int) -> bytes:
    return encoded(audio[:, onset(audio) :], rate)


def end_cut(audio: Audio, rate: int) -> bytes:
    return encoded(audio[:, : int(0.7 * audio.shape[1])], rate)


def mp3(audio: Audio, rate: int) -> bytes:
    audio, rate = _at_a_rate_for_codecs(audio, rate)
    # libsndfile's levels go from 320 to 32 kbit/s.
    return encoded(audio, rate, "MP3", bitrate_mode="CONSTANT", compression_level=(320 - 128) / (320 - 32))


def ogg(audio: Audio, rate: int) -> bytes:
    audio, rate = _at_a_rate_for_codecs(audio, rate)
    # Vorbis quality 4: nominally 128 kbit/s in stereo at 44.1 kHz.
    return encoded(audio, rate, "OGG", subtype="VORBIS", compression_level=0.6)


def _at_a_rate_for_codecs(audio: Audio, rate: int) -> tuple[Audio, int]:
    return (audio, rate) if rate in (32_000, 44_100, 48_000) else (resample(audio, rate, RATE), RATE)


def eight_bit(audio: Audio, rate: int) -> bytes:
    return encoded(audio, rate, subtype="PCM_U8")


def eight_bit_full_scale(audio: Audio, rate: int) -> bytes:
    return eight_bit(audio / peak(audio), rate)


def attack_cut(audio: Audio, rate: int) -> bytes:
    return encoded(audio[:, onset(audio) + rate // 200 :], rate)


def both_ends_cut(audio: Audio, rate: int) -> bytes:
    sound = audio[:, onset(audio) :]
    frames = sound.shape[1]
    return encoded(sound[:, frames // 20 : frames - frames // 10], rate)


DISGUISES: dict[str, Disguise] = {
    "-13 dB, 16 bit": level,
    "-10 dB, 24 bit FLAC": deeper,
    "polarity turned, -1 dB": flipped,
    "48 kHz (44.1 kHz where it was 48)": other_rate,
    "32 kHz": at_rate(32_000),
    "22.05 kHz": at_rate(22_050),
    "mono": mono,
    "83 ms of silence before": silence_before,
    "silence before it cut": silence_cut,
    "last 30 % cut": end_cut,
    "MP3, 128 kbit/s": mp3,
    "OGG Vorbis, quality 4": ogg,
}
"""By what is different: copies that must be found."""

LIMITS: dict[str, Disguise] = {
    "8 bit, at full scale": eight_bit_full_scale,
    "8 bit, at its own level": eight_bit,
    "first 5 ms of the sound itself cut": attack_cut,
    "first 5 % and last 10 % of it cut": both_ends_cut,
}
"""Copies that are found for the most part, or hardly: the limits of the comparison."""
