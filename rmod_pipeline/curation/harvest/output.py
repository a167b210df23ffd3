"""Write a harvest to its folder, and touch nothing there that no harvest wrote.

DIR/kick/song-0012.345.wav      the sounds by kind, 24 bit at the song's rate
DIR/harvest.csv                 one row per sound: song, time, isolation, cluster, class, licence, checksums
DIR/songs.csv                   one row per song, with the reason if nothing was cut from it
DIR/manifest.csv                the sounds of known kind as a library for builds
DIR/listen.html                 the clusters, to listen to
DIR/harvest.json                settings, and every file of the harvest with its checksum; unfinished until the end
DIR/.harvest/                   the analyses of songs
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline import __version__
from rmod_pipeline.audio import Audio, gain_to_db, peak
from rmod_pipeline.curation.harvest.cut import cut_sound, peak_gain
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig, KeptSound, SongOutcome, SongSurvey
from rmod_pipeline.curation.harvest.song import read_ranges
from rmod_pipeline.curation.harvest.store import WORK_FOLDER
from rmod_pipeline.errors import UsageError
from rmod_pipeline.extraction.listening.song import song_from_file
from rmod_pipeline.library.manifest import write_csv_rows
from rmod_pipeline.storage.publish import file_digest, publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable

MARKER, SOUNDS, SONGS, MANIFEST, PAGE = "harvest.json", "harvest.csv", "songs.csv", "manifest.csv", "listen.html"
SOUND_COLUMNS = (
    *("file", "song", "song_sha256", "time", "seconds", "isolation", "before", "after", "alone", "cluster"),
    *("kind", "subkind", "confidence", "peak_dbfs", "gain_db", "kit", "licence", "source", "sha256"),
)
SONG_COLUMNS = ("song", "sha256", "seconds", "onsets", "isolated", "kept", "finding")

_FORMAT = "rmod_harvest"
_OUR_SOUNDS = re.compile(r"[a-z][a-z0-9_]*/[^/]+\.wav")
_HINT = "choose another --out, or move this file away"
_FULL_SCALE = 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSound:
    """A sound and the file that was written for it."""

    sound: KeptSound
    sha256: str
    peak_dbfs: float
    gain_db: float
    """Gain that was applied to the samples of the song."""


def check_harvest_folder(out: Path) -> dict[str, str]:
    """Return the files of an earlier harvest in a folder, with their checksums; empty for a new or empty folder.

    Raises UsageError if the path is no folder or not writable, holds files but no harvest, or if a sound of the
    earlier harvest was changed since.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(out, "is a file, but a folder is needed", "choose another --out")
    check_writable_folder(out)
    if not out.is_dir():
        return {}
    earlier = _read_files(out)
    if earlier is None:
        with report_unwritable(out):
            foreign = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
        if foreign:
            raise UsageError(out, f"holds {foreign[0]}, and no harvest", "choose a new or an empty folder")
        return {}
    for name, digest in earlier.items():
        path = out / name
        if digest and path.is_file() and file_digest(path) != digest:
            raise UsageError(path, "was changed since the harvest wrote it", _HINT)
    return earlier


def begin_harvest(out: Path, earlier: Mapping[str, str]) -> None:
    """Make the folder and mark it as that of a harvest, which is unfinished."""
    with report_unwritable(out):
        (out / WORK_FOLDER).mkdir(parents=True, exist_ok=True)
        _write_marker(out, {"unfinished": True}, earlier)


def write_sounds(
    sounds: Sequence[KeptSound],
    surveys: Mapping[str, SongSurvey],
    out: Path,
    earlier: Mapping[str, str],
    peak_db: float | None = None,
) -> Iterator[WrittenSound]:
    """Write the sounds, song by song, and yield each; then remove other sounds of the earlier harvest.

    surveys: by the name of the song. Raises UsageError if a file that no harvest wrote has the name of a sound; then
    nothing is written. Raises AssetError for a song that can no longer be read.
    """
    names = [sound.file for sound in sounds]
    _refuse_links(out, [*names, *earlier])
    for name in names:
        if name not in earlier and (out / name).exists():
            raise UsageError(out / name, f"already exists and is not listed in {MARKER}: no harvest wrote it", _HINT)
    with report_unwritable(out):
        _write_marker(out, {"unfinished": True}, {**earlier, **dict.fromkeys(names, "")})
    by_song = sorted(sounds, key=lambda sound: (sound.song.name, sound.hit.cut.start))
    for name, group in groupby(by_song, key=lambda sound: sound.song.name):
        of_song = list(group)
        ranges = [(sound.hit.cut.start, sound.hit.cut.stop) for sound in of_song]
        parts = read_ranges(song_from_file(of_song[0].song.path), surveys[name], ranges)
        for sound, part in zip(of_song, parts, strict=True):
            yield _write_sound(sound, part, out, peak_db)
    with report_unwritable(out):
        for name in sorted(set(earlier) - set(names)):
            (out / name).unlink(missing_ok=True)
            with suppress(OSError):  # a folder is removed only if it is empty
                (out / name).parent.rmdir()


def write_tables(harvest: Harvest, written: Sequence[WrittenSound], out: Path) -> None:
    """Write the tables of sounds and of songs."""
    order = {sound.file: number for number, sound in enumerate(harvest.sounds)}
    rows = [_sound_row(each) for each in sorted(written, key=lambda each: order[each.sound.file])]
    write_csv_rows(out / SOUNDS, SOUND_COLUMNS, rows)
    write_csv_rows(out / SONGS, SONG_COLUMNS, map(_song_row, harvest.songs))


def finish_harvest(
    harvest: Harvest, written: Sequence[WrittenSound], out: Path, config: HarvestConfig, classifier: Mapping[str, Any]
) -> None:
    """Write the marker of a finished harvest: settings, classifier, counts and all files."""
    content = {
        "rmod": __version__,
        "settings": asdict(config),
        "classifier": dict(classifier) or None,
        "songs": len(harvest.songs),
        "sounds": len(harvest.sounds),
        "clusters": harvest.clusters,
    }
    with report_unwritable(out):
        _write_marker(out, content, {each.sound.file: each.sha256 for each in written})


def encode_wav24(audio: Audio, sample_rate: int) -> bytes:
    """Return audio [channels, frames] as a WAV file of 24 bits; a sample of 16 or 24 bits keeps its value exactly."""
    import soundfile

    scaled = np.rint(audio.astype(np.float64) * _FULL_SCALE)
    samples = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32) << 8
    stream = io.BytesIO()
    soundfile.write(stream, samples.T, sample_rate, format="WAV", subtype="PCM_24")
    return stream.getvalue()


def sound_gain(part: Audio, peak_db: float | None) -> float:
    """Return the gain of a sound: to the peak that is asked for, else 1, or less if it would exceed full scale."""
    if peak_db is not None:
        return peak_gain(part, peak_db)
    return min(1.0, 1 / max(peak(part), 1e-9))


def _refuse_links(out: Path, names: Iterable[str]) -> None:
    """Raise UsageError if a folder of sounds is a link: it may lead anywhere."""
    for folder in sorted({(out / name).parent for name in names}):
        if folder != out and folder.is_symlink():
            raise UsageError(folder, "is a link, and a harvest writes into its own folder alone", "remove the link")


def _write_sound(sound: KeptSound, part: Audio, out: Path, peak_db: float | None) -> WrittenSound:
    cut = sound.hit.cut
    gain = sound_gain(cut_sound(part.copy(), cut), peak_db)
    audio = cut_sound(part, cut, gain)
    data = encode_wav24(audio, sound.sample_rate)
    with report_unwritable(out / sound.file):
        publish_bytes(data, out / sound.file, out / WORK_FOLDER)
    return WrittenSound(
        sound=sound,
        sha256=sha256(data).hexdigest(),
        peak_dbfs=gain_to_db(peak(audio)),
        gain_db=gain_to_db(gain),
    )


def _song_row(song: SongOutcome) -> list[str]:
    counts = map(str, (song.onsets, song.isolated, song.kept))
    return [song.name, song.sha256, f"{song.seconds:.3f}", *counts, song.finding]


def _sound_row(written: WrittenSound) -> list[str]:
    sound, hit = written.sound, written.sound.hit
    isolation = hit.isolation
    return [
        *(sound.file, sound.song.name, sound.song.sha256, f"{sound.time_seconds:.5f}", f"{sound.seconds:.4f}"),
        *(f"{value:.3f}" for value in (isolation.value, isolation.before, isolation.after, isolation.alone)),
        *(str(sound.cluster), hit.kind, hit.subkind, f"{hit.confidence:.3f}"),
        *(f"{written.peak_dbfs:.2f}", f"{written.gain_db:.2f}"),
        *(sound.song.kit, sound.song.licence, sound.song.source, written.sha256),
    ]


def _read_files(out: Path) -> dict[str, str] | None:
    """Return the sounds that the folder's marker lists, if a harvest could have written them; None without a marker."""
    try:
        content = json.loads((out / MARKER).read_bytes())
        if content.get(_FORMAT) != 1:
            return None
        files = {str(name): str(digest) for name, digest in content["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return {name: digest for name, digest in files.items() if _OUR_SOUNDS.fullmatch(name) and ".." not in name}


def _write_marker(out: Path, content: Mapping[str, Any], files: Mapping[str, str]) -> None:
    whole = {_FORMAT: 1, **content, "files": dict(sorted(files.items()))}
    publish_bytes(json.dumps(whole, indent=1).encode() + b"\n", out / MARKER, out / WORK_FOLDER)
