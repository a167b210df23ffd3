"""Measure one audio file: hashes, levels and fingerprint, small enough to keep twenty thousand of them in memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.audio import Audio, gain_to_db, peak, remove_offset, rms, swing, to_channels
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.audio_fingerprint import compute_fingerprint, make_excerpt
from rmod_pipeline.library.hits import count_hits
from rmod_pipeline.library.read import SoundTooLongError, decode_sound, find_onset, read_bytes

MEASURE_VERSION = 3
"""Increase it when a change alters the measurement of the same file, so that cached measurements are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """The measurements of one usable file."""

    sha256: str
    """Of the file's bytes."""
    sound: str
    """SHA-256 of the decoded samples without digital silence at both ends: equal for exact copies in any format."""
    sample_rate: int
    channels: int
    frames: int
    peak_dbfs: float
    rms_dbfs: float
    swing_dbfs: float
    """Peak without a constant offset, which is inaudible."""
    mono_swing_dbfs: float
    """The same of the mean of the channels, which is what becomes tokens."""
    onset: int
    """Number of silent frames at the beginning, which are left out."""
    hits: int
    """Number of hits of like strength: 1 for a one-shot, more for a loop."""
    fingerprint: bytes
    """float32 fingerprint for the search for near-duplicates."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableFile:
    """A file that cannot be used, with the reason."""

    reason: str
    lasting: bool
    """Whether the reason is in the file's bytes. A file that could not be opened may open at the next scan."""


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """One file to measure, and its length limit in seconds."""

    path: Path
    max_seconds: float


def measure_file(task: MeasureTask) -> MeasuredFile | UnusableFile:
    """Measure a file, or return why it is unusable. Raises no error that a file can cause."""
    try:
        data = read_bytes(task.path)
    except AssetError as error:
        return UnusableFile(reason=error.found, lasting=False)
    try:
        decoded = decode_sound(data, task.path, task.max_seconds)
        audio, rate = remove_offset(decoded.audio), decoded.sample_rate
        return MeasuredFile(
            sha256=sha256(data).hexdigest(),
            sound=_hash_samples(audio, rate),
            sample_rate=rate,
            channels=decoded.channels,
            frames=audio.shape[1],
            peak_dbfs=round(gain_to_db(peak(audio)), 2),
            rms_dbfs=round(gain_to_db(rms(audio)), 2),
            swing_dbfs=round(gain_to_db(swing(audio)), 2),
            mono_swing_dbfs=round(gain_to_db(swing(to_channels(audio, 1))), 2),
            onset=find_onset(audio),
            hits=count_hits(audio, rate),
            fingerprint=compute_fingerprint(make_excerpt(audio, rate)).tobytes(),
        )
    except SoundTooLongError as error:
        # Not lasting: the limit depends on the kind, which other labels can change.
        return UnusableFile(reason=error.found, lasting=False)
    except AssetError as error:
        return UnusableFile(reason=error.found, lasting=True)
    except MemoryError:
        return UnusableFile(reason="not enough memory to decode it", lasting=False)


def measure_batch(tasks: list[MeasureTask]) -> list[MeasuredFile | UnusableFile]:
    """Measure several files: the unit of work of a worker process."""
    return [measure_file(task) for task in tasks]


def to_record(result: MeasuredFile | UnusableFile) -> tuple[dict[str, Any], bytes]:
    """Return a result as a JSON-compatible record and its fingerprint."""
    record = asdict(result)
    return record, record.pop("fingerprint", b"")


def from_record(record: dict[str, Any], fingerprint: bytes) -> MeasuredFile | UnusableFile:
    """Undo ``to_record``. Raises TypeError for a record with other fields."""
    return UnusableFile(**record) if "reason" in record else MeasuredFile(fingerprint=fingerprint, **record)


def _hash_samples(audio: Audio, sample_rate: int) -> str:
    nonzero = np.flatnonzero(np.any(audio != 0, axis=0))
    body = audio[:, nonzero[0] : nonzero[-1] + 1] if nonzero.size else audio[:, :0]
    digest = sha256(f"{sample_rate} {body.shape[0]}".encode())
    # Adding 0 turns -0.0 into 0.0, which is the same sound.
    digest.update((body + np.float32(0)).astype("<f4").tobytes())
    return digest.hexdigest()
