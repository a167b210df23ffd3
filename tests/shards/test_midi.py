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
from rmod_pipeline.shards.midi import GENERAL_MIDI, encode_midi


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
        key = GENERAL_MIDI.get(drum.kind, 82 + len(expected.instruments))
        track.notes = [
            miditoolkit.Note(velocity=note.velocity, pitch=key, start=note.tick, end=end)
            for note, end in zip(drum.notes, ends, strict=True)
        ]
        expected.instruments.append(track)
    stream = io.BytesIO()
    expected.dump(file=stream)
    assert written == stream.getvalue()
