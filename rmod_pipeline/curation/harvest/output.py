"""Write a harvest to its folder, and touch nothing there that no harvest wrote.

DIR/kick/song-0012.345.wav      the sounds by kind, 24 bit at the song's rate
DIR/harvest.csv                 one row per sound: song, time, isolation, cluster, class, licence, checksums
DIR/songs.csv                   one row per song, with the reason if nothing was cut from it
DIR/manifest.csv                the sounds of known kind as a library for builds
DIR/listen.html                 the clusters, to listen to
DIR/harvest.json                settings and the harvest's own files, as own_files.py says; unfinished until the end
DIR/.harvest/                   the analyses of songs
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline import __version__
from rmod_pipeline.audio import Audio, gain_to_db, peak
from rmod_pipeline.curation.harvest.cut import cut_sound, peak_gain
from rmod_pipeline.curation.harvest.own_files import (
    MARKER,
    MOVE_AWAY,
    SONGS,
    SOUNDS,
    OwnFiles,
    begin_harvest,
    end_harvest,
    write_own_file,
)
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig, KeptSound, SongOutcome, SongSurvey
from rmod_pipeline.curation.harvest.song import read_ranges
from rmod_pipeline.errors import UsageError
from rmod_pipeline.extraction.listening.song import song_from_file
from rmod_pipeline.library.manifest import encode_csv_rows
from rmod_pipeline.storage.writing import report_unwritable

SOUND_COLUMNS = (
    *("file", "song", "song_sha256", "time", "seconds", "isolation", "before", "after", "alone", "cluster"),
    *("kind", "subkind", "confidence", "peak_dbfs", "gain_db", "kit", "licence", "source", "sha256"),
)
SONG_COLUMNS = ("song", "sha256", "seconds", "onsets", "isolated", "kept", "finding")

_FULL_SCALE = 2**23


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSound:
    """A sound and the file that was written for it."""

    sound: KeptSound
    sha256: str
    peak_dbfs: float
    gain_db: float
    """Gain that was applied to the samples of the song."""


def write_sounds(
    sounds: Sequence[KeptSound],
    surveys: Mapping[str, SongSurvey],
    out: Path,
    earlier: OwnFiles,
    peak_db: float | None = None,
) -> Iterator[WrittenSound]:
    """Write the sounds, song by song, and yield each; then remove other sounds of the earlier harvest.

    surveys: by the name of the song. Raises UsageError if a file that no harvest wrote has the name of a sound; then
    nothing is written. Raises AssetError for a song that can no longer be read.
    """
    names = [sound.file for sound in sounds]
    _refuse_links(out, [*names, *earlier.sounds])
    for name in names:
        if name not in earlier.sounds and (out / name).exists():
            found = f"already exists and is not listed in {MARKER}: no harvest wrote it"
            raise UsageError(out / name, found, MOVE_AWAY)
    begin_harvest(out, replace(earlier, sounds={**dict.fromkeys(names, ""), **earlier.sounds}))
    by_song = sorted(sounds, key=lambda sound: (sound.song.name, sound.hit.cut.start))
    for name, group in groupby(by_song, key=lambda sound: sound.song.name):
        of_song = list(group)
        ranges = [(sound.hit.cut.start, sound.hit.cut.stop) for sound in of_song]
        parts = read_ranges(song_from_file(of_song[0].song.path), surveys[name], ranges)
        for sound, part in zip(of_song, parts, strict=True):
            yield _write_sound(sound, part, out, peak_db)
    with report_unwritable(out):
        for name in sorted(set(earlier.sounds) - set(names)):
            (out / name).unlink(missing_ok=True)
            with suppress(OSError):  # a folder is removed only if it is empty
                (out / name).parent.rmdir()


def write_tables(harvest: Harvest, written: Sequence[WrittenSound], out: Path) -> None:
    """Write the tables of sounds and of songs."""
    order = {sound.file: number for number, sound in enumerate(harvest.sounds)}
    rows = [_sound_row(each) for each in sorted(written, key=lambda each: order[each.sound.file])]
    write_own_file(out, SOUNDS, encode_csv_rows(SOUND_COLUMNS, rows))
    write_own_file(out, SONGS, encode_csv_rows(SONG_COLUMNS, map(_song_row, harvest.songs)))


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
    end_harvest(out, content, {each.sound.file: each.sha256 for each in written})


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
    gain = sound_gain(cut_sound(part, cut), peak_db)
    audio = cut_sound(part, cut, gain)
    data = encode_wav24(audio, sound.sample_rate)
    return WrittenSound(
        sound=sound,
        sha256=write_own_file(out, sound.file, data),
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
