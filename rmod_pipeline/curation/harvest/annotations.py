"""Read the known onsets of a song: a CSV with the columns time and, if it is known, kind.

The times are those at which somebody or something struck, as in a MIDI file. The attack is heard a few milliseconds
later and is looked for in the song, up to 20 ms after the time. Strikes within 20 ms are one onset.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rmod_pipeline.curation.harvest.onsets import DISTANCE_SECONDS, refine_onsets
from rmod_pipeline.curation.harvest.results import DrumOnset, SongSurvey
from rmod_pipeline.errors import AssetError, RmodError
from rmod_pipeline.extraction.listening.song import Song
from rmod_pipeline.library.manifest import CsvRow, MissingColumnError, read_csv_rows
from rmod_pipeline.library.taxonomy import CLASSES, class_of, subkinds_of

TIME_COLUMNS = ("time", "seconds")
KIND_COLUMNS = ("kind", "class")
SUBKIND_COLUMNS = ("subkind", "tag")

_SEARCH_BEFORE_SECONDS = 0.005


@dataclass(frozen=True, slots=True, order=True)
class KnownStrike:
    """One strike of an annotation."""

    seconds: float
    kind: str = ""
    """Class of the taxonomy; empty if the annotation does not say or the taxonomy does not know."""
    subkind: str = ""


def find_onsets_file(folder: Path, song: PurePosixPath, *, by_name: bool = True) -> Path | None:
    """Return the CSV of a song in a folder, None if there is none.

    It lies at the song's path relative to the harvested folder, else it has the song's name. by_name: whether the name
    is enough, as it is not where several songs have it.
    """
    paths = [folder / song.with_suffix(".csv"), *([folder / f"{song.stem}.csv"] if by_name else [])]
    return next((path for path in paths if path.is_file()), None)


def read_strikes(path: Path) -> list[KnownStrike]:
    """Return the strikes of a CSV, ascending. Raises AssetError for a file that is none, and for a bad time."""
    try:
        return sorted(_parse_rows(path))
    except RmodError as error:
        raise AssetError(error.about, error.found, error.hint) from error


def find_known_onsets(song: Song, survey: SongSurvey, strikes: Sequence[KnownStrike]) -> list[DrumOnset]:
    """Return the onsets of known strikes, each at its attack in the song, ascending. Reads the song once.

    Strikes outside of the song are left out.
    """
    rate = song.sample_rate
    groups = [group for group in _group_strikes(strikes) if round(group[0].seconds * rate) < survey.frames]
    coarse = [round(group[0].seconds * rate) for group in groups]
    exact = refine_onsets(song, survey, coarse, before=_SEARCH_BEFORE_SECONDS)
    onsets: list[DrumOnset] = []
    least = round(DISTANCE_SECONDS / 2 * rate)
    for frame, group in sorted(zip(exact.tolist(), groups, strict=True)):
        if onsets and frame - onsets[-1].frame < least:
            earlier = onsets.pop()
            onsets.append(DrumOnset(frame=earlier.frame, strikes=earlier.strikes + len(group)))
        elif len(group) == 1:
            onsets.append(DrumOnset(frame=frame, kind=group[0].kind, subkind=group[0].subkind, strikes=1))
        else:
            onsets.append(DrumOnset(frame=frame, strikes=len(group)))
    return onsets


def _parse_rows(path: Path) -> Iterator[KnownStrike]:
    rows = list(read_csv_rows(path, ()))
    if not rows:
        return
    columns = rows[0].cells
    time = next((name for name in TIME_COLUMNS if name in columns), None)
    if time is None:
        found = f"no column 'time'; the header is {', '.join(columns)[:200]}"
        raise MissingColumnError(path, found, "onsets are a CSV with the columns time and, if it is known, kind")
    kind = next((name for name in KIND_COLUMNS if name in columns), "")
    subkind = next((name for name in SUBKIND_COLUMNS if name in columns), "")
    for row in rows:
        yield KnownStrike(_parse_time(row, time), *_parse_class(row.cells.get(kind, ""), row.cells.get(subkind, "")))


def _parse_time(row: CsvRow, column: str) -> float:
    text = row.cells[column].strip()
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e6:
        raise row.error(column, f"{text!r} is no time in seconds", "write it as in 1.25")
    return value


def _parse_class(kind: str, subkind: str) -> tuple[str, str]:
    """Return class and subkind for the words of an annotation; both empty for a word that the taxonomy lacks."""
    name, _, part = kind.strip().lower().partition("/")
    part = part or subkind.strip().lower()
    known = (name, "") if name in CLASSES else class_of(name)
    if known is None:
        return "", ""
    return known[0], known[1] or (part if part in subkinds_of(known[0]) else "")


def _group_strikes(strikes: Sequence[KnownStrike]) -> list[list[KnownStrike]]:
    """Return the strikes, ascending, in groups that begin within ``DISTANCE_SECONDS``."""
    groups: list[list[KnownStrike]] = []
    for strike in strikes:
        if groups and strike.seconds - groups[-1][0].seconds < DISTANCE_SECONDS:
            groups[-1].append(strike)
        else:
            groups.append([strike])
    return groups
