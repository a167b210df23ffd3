"""Write small MIDI performances and their manifest. miditoolkit writes the files, so that another program made them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import miditoolkit

from rmod_pipeline.patterns.manifest import Grooves, load_grooves

TICKS = 480
DRUMMERS = ("ann", "bob", "cid", "dee", "eve", "fay")

KICK, SNARE, CLOSED, OPEN, TOM, RIDE = 36, 38, 42, 46, 45, 51

Hits = Sequence[tuple[int, int, int]]
"""Tick, key and velocity of hits."""


def write_performance(
    path: Path,
    hits: Hits,
    *,
    tempos: Mapping[int, float] | None = None,
    metres: Mapping[int, tuple[int, int]] | None = None,
    is_drum: bool = True,
) -> Path:
    """Write hits as a MIDI file. tempos: bpm by tick. metres: beats and beat value by tick."""
    midi = miditoolkit.MidiFile(ticks_per_beat=TICKS)
    midi.tempo_changes = [miditoolkit.TempoChange(bpm, tick) for tick, bpm in (tempos or {0: 120.0}).items()]
    midi.time_signature_changes = [
        miditoolkit.TimeSignature(beats, value, tick) for tick, (beats, value) in (metres or {0: (4, 4)}).items()
    ]
    track = miditoolkit.Instrument(program=0, is_drum=is_drum, name="drums")
    track.notes = [miditoolkit.Note(velocity, key, tick, tick + 10) for tick, key, velocity in hits]
    midi.instruments.append(track)
    midi.max_tick = max((tick for tick, _, _ in hits), default=0) + 11
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.dump(str(path))
    return path


def rock(bars: int, shift: int = 0) -> list[tuple[int, int, int]]:
    """Return a rock beat with an open hi-hat before each second bar, a tom at the end and a hand that is not exact."""
    hits = []
    for bar in range(bars):
        start = bar * 4 * TICKS
        for step in range(8):
            late = (step * 37 + bar * 11 + shift) % 23 - 9
            key = OPEN if step == 7 and bar % 2 else CLOSED
            hits.append((max(start + step * TICKS // 2 + late, 0), key, 40 + (step * 13 + shift) % 60))
        hits += [(max(start + beat * TICKS + (beat + shift) % 5 - 2, 0), KICK, 100 + beat) for beat in (0, 2)]
        hits += [(start + beat * TICKS + 3 + shift % 7, SNARE, 90 + beat) for beat in (1, 3)]
    hits.append((bars * 4 * TICKS - 60, TOM, 77))
    return sorted(hits)


def write_folder(folder: Path, bars: int = 8) -> Path:
    """Write two performances of each drummer, and return the folder."""
    for number, drummer in enumerate(DRUMMERS):
        for take in range(2):
            path = folder / drummer / f"take-{take}.mid"
            write_performance(path, rock(bars, 5 * number + take), tempos={0: 90.0 + 11 * number})
    return folder


def write_grooves(folder: Path, bars: int = 8) -> Path:
    """Write a folder of performances, scan it, and return the manifest."""
    from rmod_pipeline.patterns.scan import scan_grooves_to_manifest  # a scan imports what decodes audio

    manifest = folder / "grooves.csv"
    write_folder(folder / "midi", bars)
    scan_grooves_to_manifest(
        folder / "midi", manifest, licence="CC-BY-4.0", source="our studio by Ann", shares="50/25/25"
    )
    return manifest


@cache
def shared_grooves() -> Grooves:
    """Return grooves that all tests of this process may read."""
    folder = tempfile.mkdtemp(prefix="rmod-grooves-")
    return load_grooves(write_grooves(Path(folder)))
