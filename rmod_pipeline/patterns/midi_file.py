"""Read Standard MIDI Files: notes, tempos and metres, in ticks.

The reader takes a tenth of miditoolkit's time, so that the performances of a build need not be stored in another form,
and it says what is wrong with a file: every damage is a MidiError. Standard MIDI Files 1.0, RP-001.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rmod_pipeline.errors import AssetError

HEADER, TRACK = b"MThd", b"MTrk"
MOST_BYTES = 16 * 2**20
"""Of a file: an hour of drums has less than one MiB."""

_HINT = "leave the file out, or export it again as a Standard MIDI File of type 0 or 1"

_END_OF_TRACK, _TEMPO, _METRE = 0x2F, 0x51, 0x58
_NOTE_OFF, _NOTE_ON, _PRESSURE_OF_KEY, _PROGRAM, _PITCH = 0x80, 0x90, 0xA0, 0xC0, 0xE0
_META, _SYSEX, _SYSEX_CONTINUED = 0xFF, 0xF0, 0xF7


class MidiError(AssetError):
    """A file is not a MIDI file that can be read."""


MidiNote = tuple[int, int, int, int]
"""Tick, channel 1..16, key and velocity of the beginning of a note."""


@dataclass(slots=True)
class MidiSequence:
    """What a MIDI file plays, with all tracks in one."""

    ticks_per_beat: int
    notes: list[MidiNote] = field(default_factory=list)
    """In the order of ticks."""
    tempos: list[tuple[int, int]] = field(default_factory=list)
    """Tick and microseconds per beat of every change of tempo, in the order of ticks."""
    metres: list[tuple[int, int, int]] = field(default_factory=list)
    """Tick, beats per bar and the note value of a beat of every time signature, in the order of ticks."""
    hanging: int = 0
    """Number of notes that never end."""


def parse_midi(data: bytes, about: object) -> MidiSequence:
    """Parse the bytes of a MIDI file; ``about`` names it in errors. Raises MidiError."""
    if len(data) > MOST_BYTES:
        raise MidiError(about, f"too large for a performance: {len(data)} bytes", _HINT)
    try:
        return _parse_file(data)
    except IndexError as error:
        raise MidiError(about, "ends early: the last event is not whole", _HINT) from error
    except _DamageError as damage:
        raise MidiError(about, str(damage), _HINT) from damage


class _DamageError(Exception):
    """What is wrong with a file."""


def _parse_file(data: bytes) -> MidiSequence:
    sequence, position = _parse_header(data)
    tracks, announced = 0, int.from_bytes(data[10:12], "big")
    while position < len(data):
        if tracks >= announced and data[position : position + 4] != TRACK:
            break  # bytes that some programs leave behind the last track
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        position += 8
        if position + size > len(data):
            raise _DamageError("ends early: a track is not whole")
        if name == TRACK:
            _parse_track(data[position : position + size], sequence)
            tracks += 1
        position += size
    if not tracks:
        raise _DamageError("has no track")
    for events in (sequence.notes, sequence.tempos, sequence.metres):
        events.sort(key=lambda event: event[0])
    return sequence


def _parse_header(data: bytes) -> tuple[MidiSequence, int]:
    """Return a sequence without events, and the position after the header."""
    if data[:4] != HEADER or len(data) < 14:
        raise _DamageError("not MIDI: it does not begin with a header" if data else "not MIDI: it is empty")
    length, form = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:10], "big")
    division = int.from_bytes(data[12:14], "big")
    if form > 1 or length < 6:
        raise _DamageError(f"type {form}: its tracks do not play together" if form == 2 else "not MIDI: unknown type")
    if division & 0x8000:
        raise _DamageError("SMPTE time: its ticks are parts of a video frame, not of a beat")
    if division == 0:
        raise _DamageError("damaged: a beat has 0 ticks")
    return MidiSequence(division), 8 + length


def _parse_track(data: bytes, sequence: MidiSequence) -> None:
    """Add the events of a track. Raises IndexError for one that ends within an event."""
    sounding: dict[int, int] = {}
    position, now, status, end = 0, 0, 0, len(data)
    while position < end:
        # Most numbers have one byte, and a call for each would take as long as all the rest.
        delta = data[position]
        position += 1
        if delta & 0x80:
            delta, position = _read_number(data, position - 1)
        now += delta
        first = data[position]
        if first & 0x80:
            status = first
            position += 1
        if status >= _SYSEX:
            position, is_end = _parse_other(data, position, status, now, sequence)
            status = 0  # these events end a running status
            if is_end:
                break
            continue
        if status < _NOTE_OFF:
            raise _DamageError("damaged: an event without a status")
        key = data[position]
        if _PROGRAM <= status < _PITCH:
            value, position = 0, position + 1
        else:
            value, position = data[position + 1], position + 2
        if (key | value) & 0x80:
            raise _DamageError("damaged: an event without its values")
        if status < _PRESSURE_OF_KEY:
            _add_note(sequence, sounding, now, status, (key, value))
    sequence.hanging += sum(sounding.values())


def _add_note(
    sequence: MidiSequence, sounding: dict[int, int], now: int, status: int, key_and_velocity: tuple[int, int]
) -> None:
    """Add the beginning of a note, or count the end of one among those that sound, by channel and key."""
    key, velocity = key_and_velocity
    note = (status & 0x0F) << 7 | key
    if velocity and status >= _NOTE_ON:
        sequence.notes.append((now, (status & 0x0F) + 1, key, velocity))
        sounding[note] = sounding.get(note, 0) + 1
    elif sounding.get(note):
        sounding[note] -= 1


def _parse_other(data: bytes, position: int, status: int, now: int, sequence: MidiSequence) -> tuple[int, bool]:
    """Add a tempo or a metre, or skip another event; return the next position, and whether the track ends."""
    if status not in (_META, _SYSEX, _SYSEX_CONTINUED):
        raise _DamageError(f"damaged: an event of status {status:#x}, which files may not hold")
    what = -1
    if status == _META:
        what = data[position]
        position += 1
    size, position = _read_number(data, position)
    content = data[position : position + size]
    if len(content) < size:
        raise IndexError
    if what == _TEMPO and size >= 3:
        sequence.tempos.append((now, int.from_bytes(content[:3], "big")))
    elif what == _METRE and size >= 2:
        sequence.metres.append((now, content[0], 1 << min(content[1], 31)))
    return position + size, what == _END_OF_TRACK


def _read_number(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of at most four bytes of seven bits, and the position after it."""
    value = 0
    for _ in range(4):
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, position
    raise _DamageError("damaged: a number of more than four bytes")
