"""Alter a sound as copies in sample packs are altered: another level, rate, format, bit depth or trim.

`test_library_near.py` requires that the scan finds the copies of ``ALTERATIONS``. `benchmarks/near_duplicates.py`
counts how many it finds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, peak
from rmod_pipeline.library.read import find_onset, resample
from tests.library.library_sounds import RATE, encode

Alteration = Callable[[Audio, int], bytes]
"""Returns the bytes of a file with an altered copy of a sound [channels, frames] at a sample rate."""


def lower_level(audio: Audio, rate: int) -> bytes:
    return encode(audio * db_to_gain(-13), rate, subtype="PCM_16")


def flac_24_bit(audio: Audio, rate: int) -> bytes:
    return encode(audio * db_to_gain(-10), rate, "FLAC", subtype="PCM_24")


def invert_polarity(audio: Audio, rate: int) -> bytes:
    return encode(-0.9 * audio, rate)


def other_rate(audio: Audio, rate: int) -> bytes:
    target = 44_100 if rate == 48_000 else 48_000
    return encode(np.clip(resample(audio, rate, target), -1, 1), target, subtype="PCM_24")


def at_rate(target: int) -> Alteration:
    return lambda audio, rate: encode(np.clip(resample(audio, rate, target), -1, 1), target)


def mono(audio: Audio, rate: int) -> bytes:
    return encode(audio.mean(axis=0, keepdims=True), rate)


def add_leading_silence(audio: Audio, rate: int) -> bytes:
    return encode(np.pad(audio, ((0, 0), (rate // 12, 1000))), rate)


def cut_leading_silence(audio: Audio, rate: int) -> bytes:
    return encode(audio[:, find_onset(audio) :], rate)


def cut_end(audio: Audio, rate: int) -> bytes:
    return encode(audio[:, : int(0.7 * audio.shape[1])], rate)


def mp3(audio: Audio, rate: int) -> bytes:
    audio, rate = _resample_for_codecs(audio, rate)
    # libsndfile's compression levels go from 320 to 32 kbit/s.
    return encode(audio, rate, "MP3", bitrate_mode="CONSTANT", compression_level=(320 - 128) / (320 - 32))


def ogg(audio: Audio, rate: int) -> bytes:
    audio, rate = _resample_for_codecs(audio, rate)
    # Vorbis quality 4: nominally 128 kbit/s in stereo at 44.1 kHz.
    return encode(audio, rate, "OGG", subtype="VORBIS", compression_level=0.6)


def _resample_for_codecs(audio: Audio, rate: int) -> tuple[Audio, int]:
    return (audio, rate) if rate in (32_000, 44_100, 48_000) else (resample(audio, rate, RATE), RATE)


def eight_bit(audio: Audio, rate: int) -> bytes:
    return encode(audio, rate, subtype="PCM_U8")


def eight_bit_full_scale(audio: Audio, rate: int) -> bytes:
    return eight_bit(audio / peak(audio), rate)


def cut_attack(audio: Audio, rate: int) -> bytes:
    return encode(audio[:, find_onset(audio) + rate // 200 :], rate)


def cut_both_ends(audio: Audio, rate: int) -> bytes:
    sound = audio[:, find_onset(audio) :]
    frames = sound.shape[1]
    return encode(sound[:, frames // 20 : frames - frames // 10], rate)


ALTERATIONS: dict[str, Alteration] = {
    "-13 dB, 16 bit": lower_level,
    "-10 dB, 24 bit FLAC": flac_24_bit,
    "polarity turned, -1 dB": invert_polarity,
    "48 kHz (44.1 kHz where it was 48)": other_rate,
    "32 kHz": at_rate(32_000),
    "22.05 kHz": at_rate(22_050),
    "mono": mono,
    "83 ms of silence before": add_leading_silence,
    "silence before it cut": cut_leading_silence,
    "last 30 % cut": cut_end,
    "MP3, 128 kbit/s": mp3,
    "OGG Vorbis, quality 4": ogg,
}
"""Alterations by description: copies that the scan must find."""

HARD_ALTERATIONS: dict[str, Alteration] = {
    "8 bit, at full scale": eight_bit_full_scale,
    "8 bit, at its own level": eight_bit,
    "first 5 ms of the sound itself cut": cut_attack,
    "first 5 % and last 10 % of it cut": cut_both_ends,
}
"""Alterations by description: copies that the scan finds partly or rarely, the limits of the comparison."""
