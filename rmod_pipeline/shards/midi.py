"""Write the hits of a pair as a MIDI file."""

from __future__ import annotations

import io

from rmod_pipeline.spec import PairSpec

TICKS_PER_BEAT = 480

GENERAL_MIDI = {"kick": 36, "snare": 38, "clap": 39, "hihat": 42, "tom": 45, "openhat": 46, "cymbal": 49, "cowbell": 56}
"""Keys of the General MIDI drum map. Other kinds get the keys above the map, in the recipe's order."""

FIRST_FREE_KEY = 82
FREE_KEYS = 128 - FIRST_FREE_KEY


def encode_midi(spec: PairSpec) -> bytes:
    """Return a MIDI file with one drum track per kind, at 480 ticks per beat (60 bpm for the paper's 4 s)."""
    from miditoolkit import Instrument, MidiFile, Note, TempoChange

    settings = spec.settings
    midi = MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    beats_per_second = settings.grid / TICKS_PER_BEAT / (settings.frames / settings.sample_rate)
    midi.tempo_changes = [TempoChange(tempo=60 * beats_per_second, time=0)]
    midi.max_tick = settings.grid
    for position, drum in enumerate(spec.drums):
        track = Instrument(program=0, is_drum=True, name=drum.kind)
        ends = [note.tick for note in drum.notes[1:]] + [settings.grid]
        key = GENERAL_MIDI.get(drum.kind, FIRST_FREE_KEY + position % FREE_KEYS)
        # A hit lasts until the next hit of its kind cuts it.
        track.notes = [
            Note(velocity=note.velocity, pitch=key, start=note.tick, end=end)
            for note, end in zip(drum.notes, ends, strict=True)
        ]
        midi.instruments.append(track)
    stream = io.BytesIO()
    midi.dump(file=stream)
    return stream.getvalue()
