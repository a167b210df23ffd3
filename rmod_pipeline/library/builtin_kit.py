"""The built-in library on disk: made once, then reused; whole or not there.

The folder is named by a digest of the code that makes the sounds and holds the files and, written last, the manifest.
Where that lists every sound and every file has its size, nothing is done; a file that is missing is made again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from filelock import AcquireReturnProxy, FileLock, Timeout

from rmod_pipeline import synthesis
from rmod_pipeline.audio import from_pcm, gain_to_db, peak, rms
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.storage.folders import cache_folder, shipped_folder
from rmod_pipeline.synthesis.catalogue import SynthesizedSound, catalogue, make_sound
from rmod_pipeline.synthesis.dsp import SAMPLE_RATE

log = logging.getLogger(__name__)

MANIFEST = "builtin.csv"
LICENCE = "CC0-1.0"
SOURCE = "rmod built-in kit v1"

_WAV_HEADER_BYTES = 44
_BYTES_A_SAMPLE = 2

OnSound = Callable[[int, int], None]
"""Called after every sound with how many are done and how many there are."""


def ensure_builtin(cache: Path | None = None, on_sound: OnSound | None = None, workers: int = 1) -> Path:
    """Make what is missing of the built-in library and return the path of its manifest.

    ``cache`` is the folder to keep it under; by default the environment variable RMOD_CACHE, else the user's cache
    folder. Making all takes some twenty seconds of one core, finding all in place some milliseconds; with more than
    one of ``workers`` they are processes of their own, which a script has to expect (``if __name__ == "__main__"``).
    Two callers may ask at once: one makes, the other waits.
    """
    folder = (cache or cache_folder()) / folder_name()
    if not _missing(folder):
        return folder / MANIFEST
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        missing = _missing(folder)
        if missing:
            _fill(folder, missing, on_sound, workers)
    return folder / MANIFEST


def _alone(lock: Path) -> AcquireReturnProxy:
    """Take a lock, and say so where that means to wait."""
    own = FileLock(lock)
    try:
        return own.acquire(timeout=0)
    except Timeout:
        log.warning("another process is making the built-in kit: waiting for it")
        return own.acquire()


def _missing(folder: Path) -> list[SynthesizedSound]:
    """Return the sounds that a folder lacks, or whose file is not of its size."""
    sounds = catalogue()
    rows = _rows(folder / MANIFEST)
    return [sound for sound in sounds if sound.id not in rows or not _in_place(folder, rows[sound.id])]


def _rows(manifest: Path) -> dict[str, dict[str, str]]:
    try:
        with manifest.open(encoding="utf-8", newline="") as text:
            return {row["id"]: row for row in csv.DictReader(text)}
    except FileNotFoundError:
        return {}


def folder_name() -> str:
    """Return the folder of these models' sounds: other code, in another checkout for instance, has another."""
    digest = hashlib.sha256()
    for module in sorted(Path(synthesis.__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return f"builtin-{digest.hexdigest()[:12]}"


def _in_place(folder: Path, row: dict[str, str]) -> bool:
    expected = _WAV_HEADER_BYTES + _BYTES_A_SAMPLE * int(row["channels"]) * int(row["frames"])
    try:
        return (folder / row["path"]).stat().st_size == expected
    except FileNotFoundError:
        return False


def _fill(folder: Path, missing: Sequence[SynthesizedSound], on_sound: OnSound | None, workers: int) -> None:
    rows = _rows(folder / MANIFEST)
    made = map_batches(partial(_write_all, folder), missing, workers, len(missing))
    for done, (sound, asset) in enumerate(made, start=1):
        # A process that was killed, for want of memory say, may have been one too many.
        row = _row(asset or _write(folder, sound))
        rows[sound.id] = {key: str(value) for key, value in row.items()}
        if on_sound:
            on_sound(done, len(missing))
    table = _table([rows[sound.id] for sound in catalogue()])
    _warn_if_other(table)
    _replace(folder / MANIFEST, table)


def _write_all(folder: Path, sounds: Sequence[SynthesizedSound]) -> list[Asset]:
    return [_write(folder, sound) for sound in sounds]


def _write(folder: Path, sound: SynthesizedSound) -> Asset:
    # Rounded from double precision: on the way through single precision more than the last bits could be lost.
    pcm = np.rint(make_sound(sound) * 32767.0).astype(np.int16)
    encoded = io.BytesIO()
    soundfile.write(encoded, pcm.T, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    path = folder / sound.path
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, encoded.getvalue())
    heard = from_pcm(pcm)
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
        peak_dbfs=gain_to_db(peak(heard)),
        rms_dbfs=gain_to_db(rms(heard)),
    )


def _row(asset: Asset) -> dict[str, object]:
    return asdict(asset) | {"peak_dbfs": f"{asset.peak_dbfs:.2f}", "rms_dbfs": f"{asset.rms_dbfs:.2f}"}


def _table(rows: Sequence[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [each.name for each in fields(Asset)], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


def _warn_if_other(table: bytes) -> None:
    there = shipped_folder("manifests") / MANIFEST
    if there.is_file() and there.read_bytes() != table:
        log.warning(
            "the built-in kit sounds the same but is not the same to the last bit as in %s: another processor or "
            "version of NumPy rounds otherwise; the library's digest differs, so builds cannot be shared with others",
            there,
        )


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)
