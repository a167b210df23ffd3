"""Read sound files for a classifier: a short mono sound from its onset on, or the reason why there is none to classify.

One file never stops the others: whatever is wrong with it becomes the reason of a ``RefusedFile``.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio, gain_to_db, remove_offset, swing
from rmod_pipeline.classification.levels import LONGEST_READ_SECONDS, prepare_sound
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import AssetError, UsageError
from rmod_pipeline.library.long_files import open_long_file
from rmod_pipeline.library.read import decode_sound, find_onset, read_bytes, read_verified, trim_leading_silence
from rmod_pipeline.library.scanning.scan import MIN_SECONDS, SILENT_DBFS
from rmod_pipeline.storage import Location, StorePath
from rmod_pipeline.storage.publish import file_digest

LISTEN_SECONDS = 3.0
"""A classifier hears this much of a sound, from its onset on."""
LONGEST_SECONDS = LONGEST_READ_SECONDS
"""A longer file is no one-shot. Of a longer sound that a user asks about, this much is read."""
SAMPLE_RATE = 44_100
"""Of prepared sounds."""

_SPARE_SECONDS = 0.05
_MOST_BYTES_UNSEEN = 32 * 2**20
"""A larger file is read only if its header says that it is short enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundFile:
    """A file to classify."""

    path: Location
    sha256: str = ""
    """What its bytes must have, as a manifest says; empty if that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFile:
    """A file that is ready for a classifier."""

    sha256: str
    seconds: float
    """Duration of the whole file."""
    audio: Mono
    """[samples] at 44,100 Hz, from the onset on, of at most ``LISTEN_SECONDS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFile:
    """A file that cannot be classified."""

    reason: str
    sha256: str = ""
    """Empty if the file could not be read."""
    seconds: float = 0.0
    """0 if it is not known."""


def prepare_file(file: SoundFile) -> PreparedFile | RefusedFile:
    """Read and prepare a file, or return why it cannot be classified. Raises no error that a file can cause."""
    try:
        reason = _find_length_reason(file.path)
        if reason:
            return RefusedFile(reason=reason)
        data = read_verified(file.path, file.sha256) if file.sha256 else read_bytes(file.path)
        digest = file.sha256 or sha256(data).hexdigest()
        decoded = decode_sound(data, file.path, LONGEST_SECONDS)
    except (AssetError, UsageError) as error:
        return RefusedFile(reason=error.found)
    except OSError as error:
        return RefusedFile(reason=f"cannot be read: {error.strerror or error}")
    except MemoryError:
        return RefusedFile(reason="not enough memory to decode it")
    seconds = decoded.audio.shape[1] / decoded.sample_rate
    reason = find_reason(decoded.audio, decoded.sample_rate)
    if reason:
        return RefusedFile(reason=reason, sha256=digest, seconds=seconds)
    return PreparedFile(sha256=digest, seconds=seconds, audio=prepare_beginning(decoded.audio, decoded.sample_rate))


def prepare_question(path: Path) -> PreparedFile:
    """Read the sound that a user asks about: of any length, of which the first ``LISTEN_SECONDS`` are prepared.

    Raises UsageError if there is no such file, and AssetError if it cannot be read or has nothing to hear.
    """
    file = open_long_file(path)
    audio, sample_rate = read_first_seconds(path)
    reason = find_reason(audio, sample_rate)
    if reason:
        where = "" if file.seconds <= LONGEST_SECONDS else f" in its first {LONGEST_SECONDS:g} s"
        raise AssetError(path, f"{reason}{where}", "give a sound that can be heard")
    return PreparedFile(sha256=file_digest(path), seconds=file.seconds, audio=prepare_beginning(audio, sample_rate))


def read_first_seconds(path: Path) -> tuple[Audio, int]:
    """Return the first ``LONGEST_SECONDS`` of a file of any length, [channels, frames], and its rate in Hz.

    A file that is no longer is read as the sounds of a library are, to the same samples. A longer one is read in mono.
    Raises UsageError if there is no such file, and AssetError if it cannot be read.
    """
    file = open_long_file(path)
    if file.seconds <= LONGEST_SECONDS and path.stat().st_size <= _MOST_BYTES_UNSEEN:
        return decode_sound(read_bytes(path), path).audio, file.sample_rate
    wanted, blocks, frames = round(LONGEST_SECONDS * file.sample_rate), list[Mono](), 0
    for block in file.blocks():
        blocks.append(block.mean(axis=1, dtype=np.float32))
        frames += len(block)
        if frames >= wanted:
            break
    return np.concatenate(blocks or [np.zeros(0, np.float32)])[None, :wanted], file.sample_rate


def find_reason(audio: Audio, sample_rate: int) -> str:
    """Return why audio [channels, frames] has nothing to classify; empty if it has. The limits are those of a scan."""
    frames = audio.shape[1] - find_onset(audio)
    if frames < MIN_SECONDS * sample_rate:
        return f"too short: {frames} frames, {1000 * frames / sample_rate:.1f} ms"
    level = gain_to_db(swing(remove_offset(audio)))
    if level < SILENT_DBFS:
        return f"silent: peak {level:.1f} dBFS"
    return ""


def prepare_beginning(audio: Audio, sample_rate: int) -> Mono:
    """Return what a classifier hears of audio [channels, frames]: mono, from the onset on, [samples] at 44,100 Hz."""
    # The rest is cut first, so that nobody resamples what is not heard.
    beginning = trim_leading_silence(audio)[:, : round((LISTEN_SECONDS + _SPARE_SECONDS) * sample_rate)]
    mono: Mono = prepare_sound(beginning, sample_rate, SAMPLE_RATE)
    return mono[: round(LISTEN_SECONDS * SAMPLE_RATE)]


def _find_length_reason(path: Location) -> str:
    """Return why a large file is not read: its header says that it is too long; empty otherwise. Raises AssetError."""
    if isinstance(path, StorePath) or not path.is_file() or path.stat().st_size <= _MOST_BYTES_UNSEEN:
        return ""
    seconds = open_long_file(path).seconds
    return f"too long: {seconds:.1f} s, at most {LONGEST_SECONDS:g} s" if seconds > LONGEST_SECONDS else ""
