"""The reader of MIDI files reads what miditoolkit reads, and says what is wrong with every other file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import miditoolkit
import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.patterns.drum_maps import load_drum_map
from rmod_pipeline.patterns.midi_file import MidiError, MidiSequence, parse_midi
from rmod_pipeline.patterns.performance import Clock, read_performance
from tests.tiny_grooves import TICKS, rock, write_performance

notes = st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(1, 500), st.integers(0, 127), st.integers(1, 127)), max_size=40
)
tempos = st.dictionaries(st.integers(0, 50_000), st.floats(30, 300), max_size=4)


@given(notes, tempos, st.sampled_from([24, 96, 480, 960, 32_767]))
def test_notes_and_times_are_those_of_miditoolkit(
    drawn: list[tuple[int, int, int, int]], changes: dict[int, float], ticks: int
) -> None:
    midi = miditoolkit.MidiFile(ticks_per_beat=ticks)
    midi.tempo_changes = [miditoolkit.TempoChange(bpm, tick) for tick, bpm in sorted({0: 120.0, **changes}.items())]
    track = miditoolkit.Instrument(program=0, is_drum=True)
    track.notes = [miditoolkit.Note(velocity, key, tick, tick + length) for tick, length, key, velocity in drawn]
    midi.instruments, midi.max_tick = [track], 101_000
    stream = io.BytesIO()
    midi.dump(file=stream)
    found = parse_midi(stream.getvalue(), "a file")
    assert sorted(found.notes) == sorted((tick, 10, key, velocity) for tick, _, key, velocity in drawn)
    assert found.ticks_per_beat == ticks
    reread = miditoolkit.MidiFile(file=io.BytesIO(stream.getvalue()))
    seconds, clock = reread.get_tick_to_time_mapping(), Clock(found)
    for tick, *_ in found.notes[:5]:
        assert clock.time_of(tick) / (1_000_000 * ticks) == pytest.approx(seconds[tick], abs=1e-6)


@given(
    st.lists(
        st.one_of(
            st.builds(mido.Message, st.just("note_on"), channel=st.integers(0, 15), note=st.integers(0, 127),
                      velocity=st.integers(0, 127), time=st.integers(0, 2**21)),
            st.builds(mido.Message, st.just("note_off"), channel=st.integers(0, 15), note=st.integers(0, 127)),
            st.builds(mido.Message, st.just("control_change"), value=st.integers(0, 127), time=st.integers(0, 300)),
            st.builds(mido.Message, st.just("program_change"), program=st.integers(0, 127)),
            st.builds(mido.Message, st.just("pitchwheel"), pitch=st.integers(-8192, 8191)),
            st.builds(mido.Message, st.just("sysex"), data=st.lists(st.integers(0, 127), max_size=9)),
            st.builds(mido.MetaMessage, st.just("text"), text=st.text(st.characters(max_codepoint=127), max_size=9)),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_every_event_is_passed_over_at_its_length(messages: list[mido.Message]) -> None:
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack(messages))
    stream = io.BytesIO()
    file.save(file=stream)
    expected, now = [], 0
    for message in mido.MidiFile(file=io.BytesIO(stream.getvalue())).tracks[0]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            expected.append((now, message.channel + 1, message.note, message.velocity))
    assert parse_midi(stream.getvalue(), "a file").notes == expected


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">4sI", name, len(content)) + content


def midi_of(track: bytes, form: int = 0, division: int = TICKS) -> bytes:
    return chunk(b"MThd", struct.pack(">HHH", form, 1, division)) + chunk(b"MTrk", track)


END = b"\x00\xff\x2f\x00"

DAMAGED = {
    "nothing": (b"", "not MIDI: it is empty"),
    "text": (b"This is no MIDI file at all, but a text.", "not MIDI: it does not begin with a header"),
    "only a header": (midi_of(b"")[:14], "has no track"),
    "type 2": (midi_of(END, form=2), "type 2: its tracks do not play together"),
    "type 9": (midi_of(END, form=9), "not MIDI: unknown type"),
    "SMPTE time": (midi_of(END, division=0xE728), "SMPTE time"),
    "no ticks": (midi_of(END, division=0), "a beat has 0 ticks"),
    "a cut track": (midi_of(b"\x00\x99\x24\x40" + END)[:-3], "ends early: a track is not whole"),
    "a cut event": (midi_of(b"\x00\x99\x24"), "ends early: the last event is not whole"),
    "a cut text": (midi_of(b"\x00\xff\x01\x7fabc"), "ends early: the last event is not whole"),
    "no status": (midi_of(b"\x00\x24\x40" + END), "an event without a status"),
    "a status as a value": (midi_of(b"\x00\x99\x24\x99" + END), "an event without its values"),
    "a status of a wire": (midi_of(b"\x00\xf8" + END), "status 0xf8"),
    "a number without end": (midi_of(b"\xff\xff\xff\xff\xff\xff"), "a number of more than four bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_wrong_with_a_file_is_said(name: str) -> None:
    data, found = DAMAGED[name]
    with pytest.raises(MidiError, match=found) as error:
        parse_midi(data, "song.mid")
    assert str(error.value).startswith("song.mid: ")
    assert error.value.hint


def test_notes_that_never_end_are_counted() -> None:
    on, off = b"\x00\x99\x24\x40", b"\x0a\x89\x24\x40"
    assert parse_midi(midi_of(on + off + END), "x").hanging == 0
    assert parse_midi(midi_of(on + on + off + off + END), "x").hanging == 0
    assert parse_midi(midi_of(on + off + on + END), "x").hanging == 1
    assert parse_midi(midi_of(off + on + b"\x0a\x24\x00" + END), "x").hanging == 0, "a velocity of 0 ends a note"


def test_other_chunks_and_longer_headers_are_passed_over() -> None:
    track = b"\x00\x99\x24\x40\x0a\x89\x24\x40" + END
    header = chunk(b"MThd", struct.pack(">HHH", 1, 2, TICKS) + b"more")
    found = parse_midi(header + chunk(b"XFIH", b"x" * 9) + chunk(b"MTrk", track), "x")
    assert found.notes == [(0, 10, 36, 64)]


@given(st.binary(max_size=12).filter(lambda data: not data.startswith(b"MTrk")))
def test_bytes_after_the_last_track_are_passed_over(rest: bytes) -> None:
    track = b"\x00\x99\x24\x40\x0a\x89\x24\x40" + END
    assert parse_midi(midi_of(track) + rest, "x").notes == [(0, 10, 36, 64)]


@pytest.fixture(scope="module")
def performance(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_performance(tmp_path_factory.mktemp("midi") / "take.mid", rock(4)).read_bytes()


@settings(max_examples=150)
@given(st.data())
def test_a_mutated_file_is_a_performance_or_a_clear_error(performance: bytes, data: st.DataObject) -> None:
    content = bytearray(performance)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content)))
        match data.draw(st.sampled_from(["set", "cut", "insert", "delete"])):
            case "set" if position < len(content):
                content[position] = data.draw(st.integers(0, 255))
            case "cut":
                del content[position:]
            case "insert":
                content[position:position] = data.draw(st.binary(max_size=8))
            case _:
                del content[position : position + data.draw(st.integers(1, 8))]
    try:
        found = read_performance(bytes(content), load_drum_map("general_midi"), "mutated.mid")
    except MidiError as error:
        assert error.found and error.hint
    else:
        assert found.hits and found.bars == tuple(sorted(found.bars))


def test_a_huge_file_is_not_parsed() -> None:
    with pytest.raises(MidiError, match="too large"):
        parse_midi(bytes(17 * 2**20), "x")


def test_an_empty_sequence_has_no_notes(tmp_path: Path) -> None:
    written = parse_midi(write_performance(tmp_path / "none.mid", []).read_bytes(), "none.mid")
    assert isinstance(written, MidiSequence) and written.notes == []
