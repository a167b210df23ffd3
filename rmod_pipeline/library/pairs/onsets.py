"""Read the known hits that stand beside a pair: a MIDI file, or a CSV file with the columns kind and seconds."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.errors import AssetError, RmodError
from rmod_pipeline.library.manifest import CsvRow, read_csv_rows
from rmod_pipeline.library.pairs.names import sound_of
from rmod_pipeline.library.taxonomy import GENERAL_MIDI, midi_kinds
from rmod_pipeline.storage import Location

USUAL_VELOCITY = 100
"""MIDI velocity of a hit whose velocity is not known."""

_TEMPO = 500_000
"""Microseconds per beat until a file names a tempo, by the MIDI standard."""
_DRUM_CHANNEL = 9


@dataclass(frozen=True, slots=True, order=True)
class KnownHit:
    """One hit."""

    seconds: float
    velocity: int
    """MIDI velocity, 1..127."""


def read_known_hits(path: Location, data: bytes, kinds: Collection[str]) -> dict[str, tuple[KnownHit, ...]]:
    """Return the hits of each kind, ascending. ``data``: the bytes of the file ``path``, which is named in errors.

    In a MIDI file a track with the name of a kind holds its hits; in other tracks the drum map of General MIDI decides.
    Raises AssetError for a file that is damaged, or that has no hits of one of the kinds.
    """
    try:
        hits = _read_csv(path, data, kinds) if path.suffix.lower() == ".csv" else _read_midi(data, kinds)
    except RmodError as error:
        raise AssetError(error.about, error.found, error.hint) from error
    except Exception as error:
        found = f"not a MIDI file: {error or type(error).__name__}"
        raise AssetError(path, found, "export it again, or write a CSV file: kind,seconds") from error
    missing = [kind for kind in kinds if not hits.get(kind)]
    if missing:
        raise AssetError(path, f"no hits of {missing[0]}", f"add them, or remove {path.name}")
    return {kind: tuple(sorted(hits[kind])) for kind in kinds}


def _read_csv(path: Location, data: bytes, kinds: Collection[str]) -> dict[str, list[KnownHit]]:
    hits: dict[str, list[KnownHit]] = defaultdict(list)
    known = frozenset(kinds)
    for row in read_csv_rows(path, ("kind", "seconds"), data):
        seconds, velocity = _read_number(row, "seconds"), USUAL_VELOCITY
        if seconds < 0:
            raise row.error("seconds", f"{seconds:g} s is before the beginning", "give 0 s or more")
        if row.cells.get("velocity", "").strip():
            exact = _read_number(row, "velocity")
            velocity = round(exact)
            if not 1 <= velocity <= 127:
                raise row.error("velocity", f"{exact:g} is no MIDI velocity", "give 1 to 127, or leave it empty")
        hits[sound_of(row.cells["kind"], known)].append(KnownHit(seconds, velocity))
    return hits


def _read_number(row: CsvRow, column: str) -> float:
    """Return the number in a cell. Raises ManifestError if there is none, or none that is finite."""
    text = row.cells[column].strip()
    try:
        number = float(text)
    except ValueError as error:
        raise row.error(column, f"{text!r} is not a number", "write it as in 1.25") from error
    if not math.isfinite(number):
        raise row.error(column, f"{text} is not a finite number", "write it as in 1.25")
    return number


def _read_midi(data: bytes, kinds: Collection[str]) -> dict[str, list[KnownHit]]:
    """Return the hits by kind. Raises ValueError and whatever mido raises for a damaged file."""
    import mido

    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    if midi.type == 2 or midi.ticks_per_beat <= 0:
        raise ValueError("type 2 and SMPTE times are not read")
    tempos = sorted(
        (tick, message.tempo) for track in midi.tracks for tick, message in _timed(track) if message.type == "set_tempo"
    )
    hits: dict[str, list[KnownHit]] = defaultdict(list)
    known = frozenset(kinds)
    for track in midi.tracks:
        named = sound_of(track.name, known)
        for tick, message in _timed(track):
            if message.type != "note_on" or not message.velocity:
                continue
            kind = named if named in known else _kind_of_note(message)
            hits[kind].append(KnownHit(_seconds_at(tick, tempos, midi.ticks_per_beat), message.velocity))
    return hits


def _kind_of_note(message: Any) -> str:
    """Return the kind of a note of the drum channel, or of any channel in a file that uses no drum channel."""
    row = midi_kinds(GENERAL_MIDI).get(message.note)
    return row.kind if row and message.channel in (0, _DRUM_CHANNEL) else ""


def _timed(track: Any) -> Iterator[tuple[int, Any]]:
    """Yield the messages of a track with their time in ticks from the beginning."""
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


def _seconds_at(tick: int, tempos: list[tuple[int, int]], ticks_per_beat: int) -> float:
    """Return the time of a tick, under tempos that begin at given ticks, ascending."""
    microseconds, last, tempo = 0.0, 0, _TEMPO
    for begin, following in tempos:
        if begin >= tick:
            break
        microseconds += (begin - last) * tempo
        last, tempo = begin, following
    return (microseconds + (tick - last) * tempo) / ticks_per_beat / 1e6


def frames_of_known_hits(
    hits: Mapping[str, tuple[KnownHit, ...]], sample_rate: int, frames: int
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return frame and velocity of each hit within ``frames`` frames, ascending; of hits in one frame the loudest."""
    placed: dict[str, tuple[tuple[int, int], ...]] = {}
    for kind, several in hits.items():
        loudest: dict[int, int] = {}
        for hit in several:
            # Compared before it is rounded: the product of a number that is too large is infinite.
            place = hit.seconds * sample_rate + 0.5
            if place < frames:
                frame = math.floor(place)
                loudest[frame] = max(hit.velocity, loudest.get(frame, 0))
        placed[kind] = tuple(sorted(loudest.items()))
    return placed
