"""Compress the beginnings of sounds for a page, in worker processes, until the page is as large as it may be."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rmod_pipeline.audio import Audio, peak, to_channels
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.process_pool import map_in_order
from rmod_pipeline.library.read import decode_sound, read_verified, resample, trim_leading_silence
from rmod_pipeline.pages.preview.sounds import STEM_LEVEL, encode_compressed
from rmod_pipeline.render.tracks import fade_out
from rmod_pipeline.storage import Location

SNIPPET_SECONDS = 2.0
"""A sound is cut after this time, with a fade."""
EMBEDDED_BYTES = 40_000_000
"""The sounds in a page take at most this many bytes of text."""

_FADE_SECONDS = 0.01
_RATE = 44_100
_PEAK = 0.89


@dataclass(frozen=True, slots=True)
class SnippetTask:
    """A sound to compress: its file, and the SHA-256 that its bytes must have."""

    path: Location
    sha256: str


def compress_snippets(
    tasks: Sequence[SnippetTask],
    *,
    workers: int = 1,
    most_bytes: int = EMBEDDED_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Return the beginning of each sound as base64; empty for one that cannot be read.

    As soon as a sound does not fit into ``most_bytes`` any more, it and all after it are empty.
    """
    texts, total, is_full = list[str](), 0, False

    def wanted() -> Iterator[SnippetTask]:
        for task in tasks:
            if is_full:
                return
            yield task

    for _, data in map_in_order(_compress_batch, wanted(), workers, len(tasks)):
        text = b64encode(data or b"").decode("ascii")
        is_full = is_full or total + len(text) > most_bytes
        if is_full:
            break
        total += len(text)
        texts.append(text)
        if progress:
            progress(len(texts), len(tasks))
    return texts + [""] * (len(tasks) - len(texts))


def compress_snippet(audio: Audio, sample_rate: int) -> bytes:
    """Return the beginning of audio [channels, frames] as a small file: mono, from the onset on, with a common peak."""
    mono = to_channels(trim_leading_silence(audio)[:, : round((SNIPPET_SECONDS + 0.1) * sample_rate)], 1)
    sound = resample(mono, sample_rate, _RATE)
    kept = np.array(sound[:, : round(SNIPPET_SECONDS * _RATE)], np.float32)
    if sound.shape[1] > kept.shape[1]:
        fade_out(kept, round(_FADE_SECONDS * _RATE))
    level = peak(kept)
    return encode_compressed(kept * np.float32(_PEAK / level) if level > 0 else kept, _RATE, STEM_LEVEL)[0]


@cache
def snippet_mime() -> str:
    """Return the MIME type of snippets."""
    return encode_compressed(np.zeros((1, 64), np.float32), _RATE, STEM_LEVEL)[1]


def _compress_batch(tasks: list[SnippetTask]) -> list[bytes]:
    return [_compress_file(task) for task in tasks]


def _compress_file(task: SnippetTask) -> bytes:
    try:
        decoded = decode_sound(read_verified(task.path, task.sha256), task.path)
    except AssetError:
        return b""
    return compress_snippet(decoded.audio, decoded.sample_rate)
