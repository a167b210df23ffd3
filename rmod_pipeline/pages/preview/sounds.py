"""Decode the audio members of a pair and compress them for the page."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from functools import cache

import numpy as np
import soundfile

from rmod_pipeline.audio import Audio, Pcm
from rmod_pipeline.errors import ShardError

FLAC, MP3 = "audio/flac", "audio/mpeg"

MIX_LEVEL, STEM_LEVEL = 0.3, 0.7
"""libsndfile's compression levels of MP3 with variable bit rate, from 0 (best) to 1 (smallest): 160 and 100 kbit/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSound:
    """One sound of the page, encoded in a format that browsers play."""

    label: str
    data: bytes
    mime: str
    kind: str = ""
    """Kind of the track, which decides the colour; empty for none."""
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSoundGroup:
    """Sounds that the page shows under one title: one-shots, stems, decoded tokens."""

    title: str
    sounds: tuple[PageSound, ...]
    is_full_length: bool = False
    """Whether they are as long as the mixture, so that its playhead moves with them."""
    has_keys: bool = False
    """Whether the keys 1..9 play them."""


def decode_page_sound(data: bytes, about: object) -> tuple[Audio, int]:
    """Return audio [channels, frames] float32 and its rate in Hz. Raises ShardError; ``about`` names the member."""
    try:
        audio, sample_rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ShardError(about, f"no audio: {error}", "the shard is damaged; `rmod verify OUT` says where") from error
    # Contiguous channels: all further steps iterate over the frames of a channel.
    return np.ascontiguousarray(audio.T), int(sample_rate)


def encode_flac(audio: Audio | Pcm, sample_rate: int) -> tuple[bytes, str]:
    """Return audio [channels, frames] as 16-bit FLAC and its MIME type. Used for one-shots: MP3 smears their onsets."""
    file = io.BytesIO()
    soundfile.write(file, audio.T, sample_rate, format="FLAC", subtype="PCM_16", compression_level=0.8)
    return file.getvalue(), FLAC


def encode_compressed(audio: Audio, sample_rate: int, level: float = MIX_LEVEL) -> tuple[bytes, str]:
    """Return audio [channels, frames] as MP3 and its MIME type, or as FLAC if libsndfile cannot write MP3."""
    if not _can_write_mp3():
        return encode_flac(audio, sample_rate)
    file = io.BytesIO()
    soundfile.write(
        file,
        audio.T,
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=level,
        bitrate_mode="VARIABLE",
    )
    return file.getvalue(), MP3


def compressed_format() -> str:
    """Return the name of the format of ``encode_compressed``."""
    return "MP3" if _can_write_mp3() else "FLAC"


@cache
def _can_write_mp3() -> bool:
    # The libsndfile of an operating system may lack LAME; the wheels of soundfile include it.
    return "MP3" in soundfile.available_formats()


def data_uri(data: bytes, mime: str) -> str:
    """Return the bytes as a ``data:`` URI, which embeds them in the page."""
    return f"data:{mime};base64,{b64encode(data).decode('ascii')}"
