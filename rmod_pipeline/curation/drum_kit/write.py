"""Write the folder of a kit, and read it again.

DIR/kick.wav, kick-2.wav ...      the sounds: 44.1 kHz, 24 bits
DIR/drumkit.xml, kit.sfz          for Hydrogen, and for samplers
DIR/kit.csv                       where each sound comes from
DIR/library.csv                   the manifest, for `rmod build`
DIR/kit.report.csv                files that were not used, with the reason
DIR/kit.html                      the page
DIR/kit.json                      all of it for programs, and the checksums of the files above

``kit.json`` says which files a kit wrote. Others, and files that were changed since, are never replaced. Before the
sounds are written it only lists them, so that those of an interrupted run are known; the full file is written last.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.audio import gain_to_db, peak, rms
from rmod_pipeline.curation.drum_kit import hydrogen, sfz
from rmod_pipeline.curation.drum_kit.measure import RATE
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import DrumKit, PadSound
from rmod_pipeline.curation.harvest.output import encode_wav24
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import encode_csv_rows, encode_manifest
from rmod_pipeline.storage.publish import file_digest, publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, unwritable_error

JSON, CSV, MANIFEST, REPORT, PAGE = "kit.json", "kit.csv", "library.csv", "kit.report.csv", "kit.html"
FORMAT = "rmod_kit"
CSV_COLUMNS = (
    *("pad", "file", "midi_key", "low_velocity", "high_velocity", "source", "sha256", "start_seconds"),
    *("source_seconds", "seconds", "semitones", "gain_db", "score", "probability", "drum_probability", "weak"),
    *("licence", "credit"),
)
SPLIT = "train"
"""Of all sounds of a kit: a kit is one group, so it is in one split."""

_HINT = "choose another --out, or move this file away"
_FIXED_NAMES = (JSON, CSV, MANIFEST, REPORT, PAGE, hydrogen.FILE, sfz.FILE)
_SOUND_NAME = re.compile(r"([a-z_]+?)(?:-[2-9])?\.wav")
_DIGITS = 6
"""Significant digits of numbers; further digits differ between machines."""
_COLUMNS_OF_REPORT = ("path", "reason")


def check_kit_folder(out: Path, layers: int) -> None:
    """Raise UsageError if ``out`` cannot become the folder of a kit, or a file that no kit wrote is in the way.

    Call it before the work. layers: most sounds per pad.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(out, "is a file, but a folder is needed", "choose another --out")
    check_writable_folder(out)
    sounds = [name_sound(pad, rank) for pad in PADS for rank in range(1, layers + 1)]
    _check_names(out, [*_FIXED_NAMES, *sounds])
    if out.is_dir() and not (out / JSON).exists() and any(out.iterdir()):
        # A kit among the samples of a user would be found by the next command that reads them.
        raise UsageError(out, "holds other files, and is no kit", "choose an --out that is empty or does not exist")


def name_sound(pad: str, rank: int) -> str:
    """Return the file name of a sound of a pad; the best has rank 1."""
    return f"{pad}.wav" if rank == 1 else f"{pad}-{rank}.wav"


def write_kit(kit: DrumKit, out: Path, page: str = "") -> dict[str, Path]:
    """Write the folder of a kit; return the path of each file by its name.

    page: the HTML of the page; empty for none. Files of an earlier kit in this folder are replaced or removed. Raises
    UsageError, also if a file that no kit wrote would be replaced; then nothing is written.
    """
    sounds = {sound.file: encode_wav24(sound.audio, RATE) for sound in kit.sounds}
    files = {**sounds, **_encode_tables(kit, sounds)}
    files |= {hydrogen.FILE: hydrogen.encode_hydrogen(kit), sfz.FILE: sfz.encode_sfz(kit)}
    files |= {PAGE: page.encode()} if page else {}
    checksums = {name: sha256(content).hexdigest() for name, content in sorted(files.items())}
    earlier = _check_names(out, [*files, JSON])
    known = {name: {*earlier.get(name, ()), *filter(None, (checksums.get(name),))} for name in {*earlier, *checksums}}
    try:
        listed = {name: sorted(digests) for name, digests in sorted(known.items())}
        _publish_json({FORMAT: 1, "unfinished": True, "files": listed}, out)
        for name, content in files.items():
            publish_bytes(content, out / name, out)
        for name in earlier.keys() - files.keys():
            (out / name).unlink(missing_ok=True)
        _publish_json(describe_kit(kit, checksums), out)
    except OSError as error:
        raise unwritable_error(error.filename or out, error) from error
    return {name: out / name for name in (*files, JSON)}


def describe_kit(kit: DrumKit, checksums: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of ``kit.json``: equal for equal sounds, options and classifiers."""
    counts = kit.counts
    return {
        FORMAT: 1,
        "rmod": __version__,
        "name": kit.name,
        "author": kit.author,
        "licence": kit.licence or None,
        "round_robin": kit.round_robin,
        "options": dict(kit.options),
        "files_read": {"audio": counts.files, "used": counts.used, "sounds": counts.sounds},
        "missing": [pad.name for pad in kit.missing],
        "weak": [sound.pad.name for sound in kit.weak],
        "sounds": [_describe_sound(sound) for sound in kit.sounds],
        "files": {name: [digest] for name, digest in checksums.items()},
    }


def _describe_sound(sound: PadSound) -> dict[str, Any]:
    """Return the row of a sound in ``kit.json`` and, as text, in ``kit.csv``."""
    candidate, place = sound.candidate, sound.candidate.place
    return {
        "pad": sound.pad.name,
        "file": sound.file,
        "midi_key": sound.pad.key,
        "low_velocity": sound.low_velocity,
        "high_velocity": sound.high_velocity,
        "source": place.source,
        "sha256": place.sha256,
        "start_seconds": round(place.start / place.sample_rate, 6),
        "source_seconds": round(place.frames / place.sample_rate, 6),
        "seconds": round(sound.seconds, 6),
        "semitones": candidate.tuning.semitones,
        "gain_db": _round(sound.gain_db),
        "score": _round(candidate.rating.score),
        "probability": _round(candidate.rating.probability),
        "drum_probability": _round(candidate.rating.drum),
        "weak": sound.is_weak,
        "licence": sound.licence,
        "credit": sound.credit,
    }


def _encode_tables(kit: DrumKit, sounds: Mapping[str, bytes]) -> dict[str, bytes]:
    rows = [[_format_cell(value) for value in _describe_sound(sound).values()] for sound in kit.sounds]
    assets = [_make_asset(kit, sound, sounds[sound.file]) for sound in kit.sounds]
    return {
        CSV: encode_csv_rows(CSV_COLUMNS, rows),
        MANIFEST: encode_manifest(assets),
        REPORT: encode_csv_rows(_COLUMNS_OF_REPORT, kit.counts.unused),
    }


def _make_asset(kit: DrumKit, sound: PadSound, content: bytes) -> Asset:
    """Return the row of a sound in the manifest."""
    place = sound.candidate.place
    return Asset(
        id=f"{sound.pad.library_kind}/{sound.file.removesuffix('.wav')}",
        path=sound.file,
        kind=sound.pad.library_kind,
        kit=" ".join(kit.name.split()),
        group=f"kit {' '.join(kit.name.split())}",
        split=SPLIT,
        licence=sound.licence,
        source=" ".join((sound.credit or place.source).split()),
        sha256=sha256(content).hexdigest(),
        sample_rate=RATE,
        channels=sound.audio.shape[0],
        frames=sound.audio.shape[1],
        peak_dbfs=gain_to_db(peak(sound.audio)),
        rms_dbfs=gain_to_db(rms(sound.audio)),
    )


def _check_names(out: Path, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the checksums of the files of an earlier kit by name. Raises UsageError if another file has a name."""
    earlier = _read_earlier_files(out)
    if earlier is None and (out / JSON).exists():
        raise UsageError(out / JSON, "already exists and was not written by rmod kit make", _HINT)
    for name in {*names, *(earlier or {})} - {JSON}:
        path = out / name
        if not path.exists() and not path.is_symlink():
            continue
        if name not in (earlier or {}):
            raise UsageError(path, f"already exists and is not listed in {JSON}: no kit wrote it", _HINT)
        if not path.is_file() or path.is_symlink() or file_digest(path) not in (earlier or {})[name]:
            raise UsageError(path, "was changed since the kit was made", _HINT)
    return earlier or {}


def _read_earlier_files(out: Path) -> dict[str, tuple[str, ...]] | None:
    """Return what the folder's JSON lists, if a kit could have written it; None without such a JSON."""
    try:
        content = json.loads((out / JSON).read_bytes())
        if FORMAT not in content:
            return None
        files = {str(name): tuple(map(str, digests)) for name, digests in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return {name: digests for name, digests in files.items() if _is_own_name(name)}


def _is_own_name(name: str) -> bool:
    match = _SOUND_NAME.fullmatch(name)
    return name in _FIXED_NAMES or (match is not None and match[1] in PADS)


def _publish_json(content: Mapping[str, Any], out: Path) -> None:
    publish_bytes(json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n", out / JSON, out)


def _format_cell(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSound:
    """A sound of a kit on disk."""

    pad: str
    path: Path
    low_velocity: int
    high_velocity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKit:
    """A kit on disk."""

    name: str
    round_robin: bool
    sounds: tuple[StoredSound, ...]

    def sounds_of(self, pad: str) -> tuple[StoredSound, ...]:
        """Return the sounds of a pad by velocity."""
        of_pad = (sound for sound in self.sounds if sound.pad == pad)
        return tuple(sorted(of_pad, key=lambda sound: (sound.low_velocity, sound.path.name)))


def read_kit(folder: Path) -> StoredKit:
    """Read what a kit on disk has. Raises UsageError if the folder holds none, LibraryError for one that is damaged."""
    path = folder / JSON
    if not path.is_file():
        found = "holds no kit" if folder.is_dir() else "no such folder"
        raise UsageError(folder, found, "make one: `rmod kit make SRC --out DIR`")
    try:
        content = json.loads(path.read_bytes())
        is_whole = content[FORMAT] == 1 and not content.get("unfinished")
        sounds = tuple(_parse_sounds(content["sounds"], folder)) if is_whole else ()
        kit = StoredKit(name=str(content["name"]), round_robin=bool(content["round_robin"]), sounds=sounds)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LibraryError(path, "is not the file of a finished kit", "make the kit again") from error
    if not kit.sounds:
        raise LibraryError(path, "lists no sound", "make the kit again")
    return kit


def _parse_sounds(rows: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[StoredSound]:
    """Yield the sounds that a JSON lists. Raises ValueError for a name that no kit has."""
    for row in rows:
        if not _is_own_name(str(row["file"])) or row["pad"] not in PADS:
            raise ValueError(row["file"])
        yield StoredSound(
            pad=row["pad"],
            path=folder / row["file"],
            low_velocity=int(row["low_velocity"]),
            high_velocity=int(row["high_velocity"]),
        )
