"""Write the built-in library to a cache folder once, and reuse it from then on.

The folder's name contains a digest of the synthesis code. The folder holds the WAV files and the manifest, which is
written last. A sound that the manifest lacks, or whose file is missing or has the wrong size, is made again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from filelock import FileLock, Timeout

from rmod_pipeline import synthesis
from rmod_pipeline.audio import from_pcm, gain_to_db, peak, rms
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import MANIFEST_COLUMNS
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.storage.folders import cache_folder, shipped_folder
from rmod_pipeline.storage.writing import temporary_file
from rmod_pipeline.synthesis.catalogue import SynthesizedSound, list_sounds, make_sound
from rmod_pipeline.synthesis.dsp import SAMPLE_RATE

log = logging.getLogger(__name__)

MANIFEST = "builtin.csv"
LICENCE = "CC0-1.0"
SOURCE = "rmod built-in kit v1"

_WAV_HEADER_BYTES = 44
_BYTES_PER_SAMPLE = 2

OnSound = Callable[[int, int], None]
"""Called after every sound with the number of finished sounds and the number of all sounds to make."""


def ensure_builtin(cache: Path | None = None, on_sound: OnSound | None = None, workers: int = 1) -> Path:
    """Make the missing files of the built-in library and return the path of its manifest.

    ``cache`` is the parent folder; the default is the environment variable RMOD_CACHE, else the user's cache folder.
    The whole library takes about 20 s on one core; a complete one is recognised in milliseconds. ``workers`` is the
    number of processes. Concurrent callers are safe: one makes the files and the others wait.
    """
    folder = (cache or cache_folder()) / folder_name()
    if not _find_missing(folder):
        return folder / MANIFEST
    folder.mkdir(parents=True, exist_ok=True)
    with _acquire_lock(folder.with_name(f"{folder.name}.lock")):
        missing = _find_missing(folder)
        if missing:
            _make_missing(folder, missing, on_sound, workers)
    return folder / MANIFEST


def folder_name() -> str:
    """Return the name of the cache folder for the present synthesis code: other code gets another folder."""
    digest = hashlib.sha256()
    for module in sorted(Path(synthesis.__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return f"builtin-{digest.hexdigest()[:12]}"


def _acquire_lock(path: Path) -> AbstractContextManager[object]:
    """Acquire a file lock; log a warning if another process holds it."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        log.warning("another process is making the built-in kit: waiting for it")
        return lock.acquire()


def _find_missing(folder: Path) -> list[SynthesizedSound]:
    """Return the sounds that have no manifest row, no file, or a file of the wrong size."""
    rows = _read_manifest(folder / MANIFEST)
    return [sound for sound in list_sounds() if sound.id not in rows or not _is_complete(folder, rows[sound.id])]


def _read_manifest(manifest: Path) -> dict[str, dict[str, str]]:
    """Return the manifest's rows by id; empty if there is no manifest."""
    try:
        with manifest.open(encoding="utf-8", newline="") as text:
            return {row["id"]: row for row in csv.DictReader(text)}
    except FileNotFoundError:
        return {}


def _is_complete(folder: Path, row: dict[str, str]) -> bool:
    expected_bytes = _WAV_HEADER_BYTES + _BYTES_PER_SAMPLE * int(row["channels"]) * int(row["frames"])
    try:
        return (folder / row["path"]).stat().st_size == expected_bytes
    except FileNotFoundError:
        return False


def _make_missing(folder: Path, missing: Sequence[SynthesizedSound], on_sound: OnSound | None, workers: int) -> None:
    """Write the missing sounds, then the manifest."""
    rows = _read_manifest(folder / MANIFEST)
    results = map_batches(partial(_write_batch, folder), missing, workers, len(missing))
    for done, (sound, asset) in enumerate(results, start=1):
        # A worker process can be killed for lack of memory: then this process makes the sound itself.
        row = _to_row(asset or _write_sound(folder, sound))
        rows[sound.id] = {key: str(value) for key, value in row.items()}
        if on_sound:
            on_sound(done, len(missing))
    table = _to_csv([rows[sound.id] for sound in list_sounds()])
    _warn_if_different(table)
    _write_atomically(folder / MANIFEST, table)


def _write_batch(folder: Path, sounds: Sequence[SynthesizedSound]) -> list[Asset]:
    return [_write_sound(folder, sound) for sound in sounds]


def _write_sound(folder: Path, sound: SynthesizedSound) -> Asset:
    # Rounded from double precision: a detour through single precision could change more than the last bit.
    pcm = np.rint(make_sound(sound) * 32767.0).astype(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, pcm.T, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    path = folder / sound.path
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(path, encoded.getvalue())
    audio = from_pcm(pcm)
    return Asset(
        id=sound.id,
        path=sound.path,
        kind=sound.kind,
        kit=sound.kit,
        group=sound.kit,
        split=sound.split,
        licence=LICENCE,
        source=SOURCE,
        sha256=hashlib.sha256(encoded.getvalue()).hexdigest(),
        sample_rate=SAMPLE_RATE,
        channels=pcm.shape[0],
        frames=pcm.shape[1],
        peak_dbfs=gain_to_db(peak(audio)),
        rms_dbfs=gain_to_db(rms(audio)),
    )


def _to_row(asset: Asset) -> dict[str, object]:
    return asdict(asset) | {"peak_dbfs": f"{asset.peak_dbfs:.2f}", "rms_dbfs": f"{asset.rms_dbfs:.2f}"}


def _to_csv(rows: Sequence[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, MANIFEST_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _warn_if_different(table: bytes) -> None:
    """Log a warning if the manifest differs from the one that ships with rmod."""
    shipped_manifest = shipped_folder("manifests") / MANIFEST
    if shipped_manifest.is_file() and shipped_manifest.read_bytes() != table:
        log.warning(
            "the built-in kit differs inaudibly from %s: another processor or version of NumPy rounds differently; "
            "the library's digest differs too, so builds cannot be shared with other machines",
            shipped_manifest,
        )


def _write_atomically(path: Path, content: bytes) -> None:
    with temporary_file(path.with_name(f".{path.name}.part")) as temporary:
        temporary.write_bytes(content)
        temporary.replace(path)
