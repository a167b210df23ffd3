"""The MIDI file of a pair holds the hits of its spec."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import miditoolkit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.reading.pairs import list_keys, read_pair
from rmod_pipeline.shards.midi import encode_midi, keys_of_random_hits
from rmod_pipeline.spec import Groove, Note


def test_midi_plays_the_notes_of_the_spec(tiny_built: Path) -> None:
    for key in list_keys(tiny_built):
        pair = read_pair(tiny_built, key)
        spec = pair.spec()
        midi = miditoolkit.MidiFile(file=io.BytesIO(pair.members["mid"]))
        hits = {
            track.name: [(note.start, note.velocity) for note in sorted(track.notes, key=lambda note: note.start)]
            for track in midi.instruments
        }
        assert hits == {drum.kind: [(note.tick, note.velocity) for note in drum.notes] for drum in spec.drums}
        # The grid of 1,920 ticks, at 480 per beat, lasts as long as the mixture.
        seconds = 4 * 60 / midi.tempo_changes[0].tempo
        assert seconds == pytest.approx(spec.settings.frames / spec.settings.sample_rate, rel=1e-5)


def test_more_kinds_than_free_midi_keys_share_keys(tiny_built: Path) -> None:
    spec = read_pair(tiny_built, "train-00000000").spec()
    many = replace(spec, drums=tuple(replace(spec.drums[0], kind=f"drum{number}") for number in range(60)))
    assert len(miditoolkit.MidiFile(file=io.BytesIO(encode_midi(many))).instruments) == 60


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 1919), st.integers(1, 127)), max_size=20), max_size=4),
    st.sampled_from(["kick", "snare", "hihat", "shaker", "x" * 70]),
    st.sampled_from([(1920, 4.0), (16, 60.0), (480, 0.5), (100_000, 10.0), (16, 4.0)]),
)
def test_midi_is_what_miditoolkit_writes(
    tiny_built: Path, hits: list[list[tuple[int, int]]], kind: str, grid_seconds: tuple[int, float]
) -> None:
    """But for a beat of more than 16.8 s, which miditoolkit refuses: it has fewer ticks."""
    spec, (grid, seconds) = read_pair(tiny_built, "train-00000000").spec(), grid_seconds
    drums = []
    for number, several in enumerate(hits):
        unique = {tick % grid: velocity for tick, velocity in several}
        notes = tuple(replace(spec.drums[0].notes[0], tick=tick, velocity=unique[tick]) for tick in sorted(unique))
        drums.append(replace(spec.drums[0], kind=kind if number == 0 else f"{kind[:60]}{number}", notes=notes))
    settings = replace(spec.settings, grid=grid, frames=round(seconds * spec.settings.sample_rate))
    written = encode_midi(replace(spec, drums=tuple(drums), settings=settings))
    midi = miditoolkit.MidiFile(file=io.BytesIO(written))
    assert midi.ticks_per_beat == 480 or midi.tempo_changes[0].tempo < 4.5
    assert midi.ticks_per_beat * midi.tempo_changes[0].tempo == pytest.approx(60 * grid / seconds, rel=1e-4)
    expected = miditoolkit.MidiFile(ticks_per_beat=midi.ticks_per_beat)
    expected.tempo_changes = midi.tempo_changes
    for drum in drums:
        track = miditoolkit.Instrument(program=0, is_drum=True, name=drum.kind)
        ends = [*(note.tick for note in drum.notes), grid][1:]
        key = keys_of_random_hits().get(drum.kind, 82 + len(expected.instruments))
        track.notes = [
            miditoolkit.Note(velocity=note.velocity, pitch=key, start=note.tick, end=end)
            for note, end in zip(drum.notes, ends, strict=True)
        ]
        expected.instruments.append(track)
    stream = io.BytesIO()
    expected.dump(file=stream)
    assert written == stream.getvalue()


GROOVE = Groove(
    performance="ann/take-0",
    sha256="0" * 64,
    drummer="ann",
    group="drummer/ann",
    licence="CC0-1.0",
    source="a test",
    bar=3,
    start_seconds=6.5,
    tempo=120.0,
)


@given(
    st.dictionaries(st.integers(0, 176_399), st.integers(1, 127), min_size=1, max_size=20),
    st.sampled_from([20.0, 40.1, 59.9, 80.7, 80.8, 97.3, 120.0, 400.0]),
    st.sampled_from([(176_400, 4.0), (88_200, 4.0), (2_646_000, 60.0)]),
)
def test_a_groove_keeps_its_tempo_and_its_times(
    tiny_built: Path, hits: dict[int, int], tempo: float, grid_seconds: tuple[int, float]
) -> None:
    spec, (grid, seconds) = read_pair(tiny_built, "train-00000000").spec(), grid_seconds
    notes = tuple(Note(tick=tick, velocity=velocity) for tick, velocity in sorted(hits.items()) if tick < grid)
    drums = [replace(spec.drums[0], kind=kind, notes=notes) for kind in ("kick", "open_hihat", "ride", "sitar")]
    settings = replace(spec.settings, sample_rate=44_100, grid=grid, frames=round(seconds * 44_100))
    groove = replace(GROOVE, tempo=tempo)
    midi = miditoolkit.MidiFile(
        file=io.BytesIO(encode_midi(replace(spec, drums=tuple(drums), settings=settings, groove=groove)))
    )
    assert midi.tempo_changes[0].tempo == pytest.approx(tempo, rel=0.51 / midi.ticks_per_beat + 1e-6)
    assert [track.notes[0].pitch for track in midi.instruments if track.notes] == [36, 46, 51, 85][: 4 * bool(notes)]
    times = midi.get_tick_to_time_mapping()
    half_a_tick = 60 / tempo / midi.ticks_per_beat * 44_100 / 2
    assert midi.ticks_per_beat > 2**14 or half_a_tick < 1.01
    for track in midi.instruments:
        onsets = [(times[note.start] * 44_100, note.velocity) for note in track.notes]
        # Two hits of one drum within a frame may become one, which no drummer plays.
        if len(onsets) == len(notes):
            for (at, velocity), note in zip(sorted(onsets), notes, strict=True):
                assert abs(at - settings.onset(note.tick)) <= half_a_tick + 0.5 + seconds * 44_100 * 2e-6
                assert velocity == note.velocity
