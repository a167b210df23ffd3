"""Measuring one file: what the scan needs of its sound, small enough to keep for twenty thousand of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.audio import Audio, gain_to_db, peak, rms
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.fingerprint import fingerprint, probe
from rmod_pipeline.library.read import decode_sound, read_bytes

VERSION = 1
"""Rises when the same file would be measured differently, so that what was kept before is not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """What one file holds."""

    sha256: str
    """Of the file's bytes."""
    sound: str
    """SHA-256 of the decoded samples, without digital silence at either end: equal for exact copies in any format."""
    sample_rate: int
    channels: int
    frames: int
    peak_dbfs: float
    rms_dbfs: float
    swing_dbfs: float
    """The peak without any constant offset, which nobody hears."""
    fingerprint: bytes
    """What near-duplicates are looked for by."""

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusableFile:
    """Why a file cannot be used."""

    reason: str
    lasting: bool
    """True for what the bytes themselves say; a file that could not be opened may open next time."""


@dataclass(frozen=True, slots=True)
class MeasureTask:
    """One file to measure, and the length in seconds above which it is of no use."""

    path: Path
    max_seconds: float


def measure(task: MeasureTask) -> MeasuredFile | UnusableFile:
    """Return what a file holds or why it is unusable; raises nothing that a file can cause."""
    try:
        data = read_bytes(task.path)
    except AssetError as error:
        return UnusableFile(reason=error.found, lasting=False)
    try:
        decoded = decode_sound(data, task.path, task.max_seconds)
        audio, rate = decoded.audio, decoded.sample_rate
        return MeasuredFile(
            sha256=sha256(data).hexdigest(),
            sound=_sound_hash(audio, rate),
            sample_rate=rate,
            channels=decoded.channels,
            frames=audio.shape[1],
            peak_dbfs=round(gain_to_db(peak(audio)), 2),
            rms_dbfs=round(gain_to_db(rms(audio)), 2),
            swing_dbfs=round(gain_to_db(_swing(audio)), 2),
            fingerprint=fingerprint(probe(audio, rate)).tobytes(),
        )
    except AssetError as error:
        # Whether a sound is too long depends on the kind that it is taken for today.
        return UnusableFile(reason=error.found, lasting=not error.found.startswith("too long"))
    except MemoryError:
        return UnusableFile(reason="needs more memory than there is", lasting=False)


def measure_batch(tasks: list[MeasureTask]) -> list[MeasuredFile | UnusableFile]:
    """Measure some files; the unit of work of a pool."""
    return [measure(task) for task in tasks]


def to_record(result: MeasuredFile | UnusableFile) -> tuple[dict[str, Any], bytes]:
    """Return a result as what JSON can hold, and its fingerprint."""
    record = asdict(result)
    return record, record.pop("fingerprint", b"")


def from_record(record: dict[str, Any], mark: bytes) -> MeasuredFile | UnusableFile:
    """Undo ``to_record``. Raises TypeError for a record of another version."""
    return UnusableFile(**record) if "reason" in record else MeasuredFile(fingerprint=mark, **record)


def _sound_hash(audio: Audio, rate: int) -> str:
    loud = np.flatnonzero(np.any(audio != 0, axis=0))
    body = audio[:, loud[0] : loud[-1] + 1] if loud.size else audio[:, :0]
    digest = sha256(f"{rate} {body.shape[0]}".encode())
    # Adding 0 turns -0.0 into 0.0, which is the same sound.
    digest.update((body + np.float32(0)).astype("<f4").tobytes())
    return digest.hexdigest()


def _swing(audio: Audio) -> float:
    return float((audio.max(axis=1) - audio.min(axis=1)).max()) / 2
