"""Write the hits of a pair as a MIDI file: the bytes that miditoolkit would write, in a tenth of its time."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from functools import cache

from rmod_pipeline.library.taxonomy import aliases
from rmod_pipeline.patterns.drum_maps import general_midi_keys
from rmod_pipeline.spec import DrumTrack, PairSpec, note_ends

TICKS_PER_BEAT = 480
LONGEST_BEAT_US = 2**24 - 1
"""Microseconds: a tempo is a number of 24 bits."""

KINDS_OF_RANDOM_HITS = ("kick", "snare", "clap", "hihat", "tom", "openhat", "cymbal", "cowbell")
"""Kinds whose random hits have the keys of General MIDI. Others get the keys above those, in the recipe's order.

General MIDI has more kinds, but MIDI files of random hits keep the bytes that they had before.
"""
MOST_TICKS_PER_BEAT = 2**15 - 1
"""The header of a MIDI file has 15 bits for them."""

FIRST_FREE_KEY = 82
FREE_KEYS = 128 - FIRST_FREE_KEY

_NOTE_ON, _NOTE_OFF, _PROGRAM = 0x99, 0x89, 0xC9
"""Of channel 10, that of drums."""
_TIME_SIGNATURE = b"\x00\xff\x58\x04\x04\x02\x18\x08"
"""4/4, 24 clocks per beat."""
_END = b"\x01\xff\x2f\x00"


def encode_midi(spec: PairSpec) -> bytes:
    """Return a MIDI file with one drum track per kind, at 480 ticks per beat (60 bpm for the paper's 4 s).

    A beat of a coarse grid that would be longer than MIDI allows, 16.8 s, has fewer ticks. A groove has its own tempo;
    where a beat would have more ticks than MIDI allows, 32,767, a tick is two points of the grid, or more.
    """
    settings = spec.settings
    tick_us = 1_000_000 * settings.frames / settings.sample_rate / settings.grid
    keys = keys_of_random_hits() if spec.groove is None else general_midi_keys()
    # The grid of an imported pair is frames: a beat of half a second keeps their times exact.
    usual = min(settings.sample_rate // 2, MOST_TICKS_PER_BEAT) if spec.is_imported else TICKS_PER_BEAT
    ticks_per_beat, points = min(usual, int(LONGEST_BEAT_US / tick_us)), 1
    if spec.groove is not None:
        points_per_beat = 60_000_000 / spec.groove.tempo / tick_us
        points = math.ceil(points_per_beat / MOST_TICKS_PER_BEAT)
        ticks_per_beat = max(round(points_per_beat / points), 1)
        tick_us *= points
    tempo = b"\x00\xff\x51\x03" + round(ticks_per_beat * tick_us).to_bytes(3, "big")
    tracks = [tempo + _TIME_SIGNATURE + _END]
    tracks += [
        _encode_track(_list_events(drum, settings.grid, points), drum.kind, keys.get(drum.kind, _free_key(position)))
        for position, drum in enumerate(spec.drums)
    ]
    header = struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), ticks_per_beat)
    return header + b"".join(struct.pack(">4sI", b"MTrk", len(track)) + track for track in tracks)


@cache
def keys_of_random_hits() -> dict[str, int]:
    """Return the key of each kind whose random hits are written as General MIDI has them."""
    keys, others = general_midi_keys(), aliases()
    return {kind: keys[others.get(kind, kind)] for kind in KINDS_OF_RANDOM_HITS}


def _free_key(position: int) -> int:
    """Return the key of the ``position``-th drum, if its kind has none."""
    return FIRST_FREE_KEY + position % FREE_KEYS


def _list_events(drum: DrumTrack, grid: int, points: int) -> Iterator[tuple[int, int, int]]:
    """Yield the beginning and the end of each hit, in ticks of ``points`` points, and its velocity.

    A hit lasts until it is choked, or until the next one.
    """
    last = 0
    for note, end in zip(drum.notes, note_ends(drum.notes, grid), strict=True):
        start = max((2 * note.tick + points) // (2 * points), last)
        last = max((2 * end + points) // (2 * points), start)
        yield start, last, note.velocity


def _encode_track(hits: Iterable[tuple[int, int, int]], kind: str, key: int) -> bytes:
    """Return the events of the hits of a drum."""
    name = kind.encode("latin1", errors="replace")
    events = bytearray(b"\x00\xff\x03" + _encode_number(len(name)) + name)
    events += bytes((0, _PROGRAM, 0))
    now = 0
    for start, end, velocity in hits:
        events += _encode_number(start - now) + bytes((_NOTE_ON, key, velocity))
        events += _encode_number(end - start) + bytes((_NOTE_OFF, key, velocity))
        now = end
    return bytes(events) + _END


def _encode_number(value: int) -> bytes:
    """Return a number as MIDI files have it: seven bits per byte, the high bit set in all but the last."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(0x80 | value & 0x7F)
    return bytes(reversed(digits))
