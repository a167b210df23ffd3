"""The sounds of a page: the members of a pair, decoded, compressed for the page, and what a player shows of them."""

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
"""libsndfile's compression levels for MP3 with variable bit rate, 0 best .. 1 smallest: about 160 and 100 kbit/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSound:
    """One sound to be played on the page: bytes as a browser takes them."""

    label: str
    data: bytes
    mime: str
    kind: str = ""
    """The track it belongs to, for its colour; empty for none."""
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSoundGroup:
    """Sounds that stand together under a title: one-shots, stems, later the decoded tokens."""

    title: str
    sounds: tuple[PageSound, ...]
    whole: bool = False
    """Whether they are as long as the mixture, so that the playhead may run through its pictures."""
    keys: bool = False
    """Whether the keys 1..9 play them."""


def decode_page_sound(data: bytes, about: object) -> tuple[Audio, int]:
    """Return audio [channels, frames] and its sample rate in Hz. Raises ShardError; ``about`` names the member."""
    try:
        audio, sample_rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ShardError(about, f"no audio: {error}", "the shard is damaged; `rmod verify` says where") from error
    # Row by row in memory: what follows walks along a channel, not across.
    return np.ascontiguousarray(audio.T), int(sample_rate)


def lossless(audio: Audio | Pcm, sample_rate: int) -> tuple[bytes, str]:
    """Return audio as 16-bit FLAC and its MIME type: one-shots are judged by their onsets, which MP3 smears."""
    file = io.BytesIO()
    soundfile.write(file, audio.T, sample_rate, format="FLAC", subtype="PCM_16", compression_level=0.8)
    return file.getvalue(), FLAC


def compressed(audio: Audio, sample_rate: int, level: float = MIX_LEVEL) -> tuple[bytes, str]:
    """Return audio as MP3, which every browser plays, and its MIME type; FLAC where libsndfile cannot write MP3."""
    if not _writes_mp3():
        return lossless(audio, sample_rate)
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


def mix_format() -> str:
    """Return what mixtures and stems are on the page, for its reader."""
    return "MP3" if _writes_mp3() else "FLAC"


@cache
def _writes_mp3() -> bool:
    # A system's own libsndfile may be built without LAME; the wheels of soundfile have it.
    return "MP3" in soundfile.available_formats()


def data_uri(data: bytes, mime: str) -> str:
    """Return the bytes as a ``data:`` address, which a page holds in itself."""
    return f"data:{mime};base64,{b64encode(data).decode('ascii')}"
