"""Generate the phrases of bass, piano, guitar and voice: notes in a key, over chords, on a grid of beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rmod_pipeline.draw import Draw

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}

PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 0, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6), (0, 0, 5, 6)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 3), (0, 1, 3, 0)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 6, 3), (0, 0, 6, 3)),
}
"""Progressions of four chords by scale; a chord is the degree of its root in the scale, counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A musical key."""

    root: int
    """MIDI note number modulo 12."""
    scale: str
    """Name in ``SCALES``."""

    def pitch(self, degree: int, lowest: int) -> int:
        """Return the MIDI note of a scale degree; degree 0 is the lowest root at or above the MIDI note ``lowest``."""
        base = lowest + (self.root - lowest) % 12
        octave, step = divmod(degree, 7)
        return base + 12 * octave + SCALES[self.scale][step]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseNote:
    """A note of a phrase."""

    beat: float
    """Onset in beats from the beginning."""
    beats: float
    """Duration in beats."""
    pitch: int
    """MIDI note number."""
    level: float
    """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chord:
    """A chord of a progression."""

    degree: int
    """Degree of the root in the scale, counted from 0."""
    beat: float
    """Onset in beats from the beginning."""
    beats: float
    """Duration in beats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RhythmEvent:
    """One event of a rhythm, over the chord that sounds at that time."""

    chord: Chord
    beat: float
    """Onset in beats from the beginning."""
    beats: float
    """Duration in beats."""
    step: int
    """Third number of the rhythm's entry."""


Rhythm = Sequence[tuple[float, float, int]]
"""One bar of four beats: onset and duration in beats, and a step. In a bass rhythm the step is the number of scale
degrees above the chord's root; in a guitar rhythm 1 is an upstroke; elsewhere it is unused."""

BASS_RHYTHMS: dict[str, Sequence[Rhythm]] = {
    "roots": (
        [(0, 1.4, 0), (1.5, 0.5, 0), (2, 1.4, 0), (3.5, 0.4, 4)],
        [(0, 0.9, 0), (1, 0.9, 0), (2, 0.9, 0), (3, 0.45, 0), (3.5, 0.45, 2)],
        [(0, 1.9, 0), (2, 0.9, 4), (3, 0.9, 2)],
    ),
    "eighths": (
        [(0.5 * n, 0.42, 0) for n in range(8)],
        [(0.5 * n, 0.42, (0, 0, 0, 0, 0, 0, 4, 6)[n]) for n in range(8)],
        [(0.5 * n, 0.42, (0, 0, 7, 0, 0, 0, 7, 4)[n]) for n in range(8)],
    ),
    "offbeat": (
        [(n + 0.5, 0.4, 0) for n in range(4)],
        [(n + 0.5, 0.4, (0, 7, 0, 7)[n]) for n in range(4)],
        [(0.5, 0.4, 0), (1.5, 0.4, 0), (2.5, 0.22, 0), (2.75, 0.2, 7), (3.5, 0.4, 4)],
    ),
    "syncopated": (
        [(0, 0.6, 0), (0.75, 0.5, 0), (1.5, 0.4, 7), (2.25, 0.6, 4), (3, 0.4, 6), (3.5, 0.4, 0)],
        [(0, 0.3, 0), (0.5, 0.2, 0), (0.75, 0.6, 7), (1.75, 0.5, 0), (2.5, 0.4, 4), (3.25, 0.6, 6)],
        [(0, 0.9, 0), (1.25, 0.22, 0), (1.5, 0.4, 4), (2.5, 0.22, 7), (2.75, 0.22, 6), (3.25, 0.7, 4)],
    ),
    "walking": (
        [(0, 0.92, 0), (1, 0.92, 2), (2, 0.92, 4), (3, 0.92, 5)],
        [(0, 0.92, 0), (1, 0.92, 4), (2, 0.92, 2), (3, 0.92, 1)],
        [(0, 0.92, 0), (1, 0.92, 1), (2, 0.92, 2), (3, 0.6, 4), (3.66, 0.3, 4)],
    ),
    "long": (
        [(0, 3.8, 0)],
        [(0, 2.3, 0), (2.5, 1.4, 0)],
        [(0, 1.4, 0), (1.5, 2.4, 0)],
    ),
}

CHORD_RHYTHMS: dict[str, Sequence[Rhythm]] = {
    "held": ([(0, 3.9, 0)], [(0, 1.95, 0), (2, 1.9, 0)], [(0, 2.4, 0), (2.5, 1.4, 0)]),
    "stabs": (
        [(0, 0.3, 0), (0.75, 0.3, 0), (1.5, 0.3, 0), (2.5, 0.3, 0), (3.25, 0.3, 0)],
        [(0.5, 0.35, 0), (1.5, 0.35, 0), (2.5, 0.35, 0), (3.5, 0.35, 0)],
        [(0, 0.4, 0), (1.5, 0.3, 0), (2.25, 0.4, 0), (3.5, 0.3, 0)],
    ),
    "quarters": (
        [(n, 0.85, 0) for n in range(4)],
        [(0, 0.85, 0), (1, 0.85, 0), (1.5, 0.4, 0), (2, 0.85, 0), (3, 0.85, 0)],
        [(0, 1.4, 0), (1.5, 0.45, 0), (2, 0.9, 0), (3, 0.45, 0), (3.5, 0.45, 0)],
    ),
    "strum": (
        [(0, 1, 0), (1, 0.5, 0), (1.5, 0.5, 1), (2.5, 0.5, 1), (3, 0.5, 0), (3.5, 0.5, 1)],
        [(0, 0.75, 0), (0.75, 0.75, 1), (1.5, 0.5, 1), (2, 1, 0), (3, 0.5, 0), (3.5, 0.5, 1)],
        [(0.5 * n, 0.5, n % 2) for n in range(8)],
    ),
    "chop": (
        [(0.5, 0.18, 1), (1.5, 0.18, 1), (2.5, 0.18, 1), (3.5, 0.18, 1)],
        [(0, 0.2, 0), (0.75, 0.15, 1), (1.5, 0.2, 0), (1.75, 0.12, 1), (2.5, 0.2, 0), (3.25, 0.2, 1)],
        [(0.25 * n, 0.14, n % 2) for n in (0, 3, 4, 6, 7, 10, 12, 14, 15)],
    ),
    "power": (
        [(0.5 * n, 0.45, 0) for n in range(8)],
        [(0, 1.4, 0), (1.5, 0.45, 0), (2, 1.4, 0), (3.5, 0.45, 0)],
        [(0, 0.7, 0), (0.75, 0.7, 0), (1.5, 0.45, 0), (2, 1.9, 0)],
    ),
}

ARPEGGIOS: Sequence[Sequence[int]] = (
    (0, 1, 2, 3, 2, 1, 2, 1),
    (0, 2, 1, 3, 0, 2, 1, 3),
    (3, 2, 1, 0, 1, 2, 3, 2),
    (0, 3, 2, 3, 1, 3, 2, 3),
)
"""Orders in which the four tones of a chord are played."""

MELODY_RHYTHMS: Sequence[Rhythm] = (
    [(0, 0.9, 0), (1, 0.4, 0), (1.5, 0.9, 0), (2.5, 1.3, 0)],
    [(0, 0.45, 0), (0.5, 0.45, 0), (1, 0.9, 0), (2, 1.6, 0)],
    [(0.5, 0.45, 0), (1, 0.45, 0), (1.5, 0.45, 0), (2, 0.9, 0), (3, 0.8, 0)],
    [(0, 1.4, 0), (1.5, 0.45, 0), (2, 1.7, 0)],
)


def make_progression(key: Key, number: int, bars: int) -> list[Chord]:
    """Return four chords of equal duration that fill the bars; ``number`` selects the progression."""
    options = PROGRESSIONS[key.scale]
    return [
        Chord(degree=degree, beat=float(position * bars), beats=float(bars))
        for position, degree in enumerate(options[number % len(options)])
    ]


def make_bass_line(key: Key, chords: Sequence[Chord], style: str, draw: Draw) -> list[PhraseNote]:
    """Return a bass line: a rhythm of a style in ``BASS_RHYTHMS`` over the roots of the chords."""
    rhythm = draw.at("rhythm").pick(BASS_RHYTHMS[style])
    notes = []
    for event in repeat_rhythm(chords, rhythm):
        root = key.pitch(event.chord.degree, 28)
        # High roots go down an octave, because a bass stays in its register.
        pitch = key.pitch(event.chord.degree + event.step, 28) - (12 if root > 38 else 0)
        level = _draw_level(event.beat, draw.at("level", event.beat))
        notes.append(PhraseNote(beat=event.beat, beats=event.beats, pitch=pitch, level=level))
    return notes


def make_chord_part(key: Key, chords: Sequence[Chord], style: str, draw: Draw) -> list[PhraseNote]:
    """Return chords in a rhythm of a style in ``CHORD_RHYTHMS``, in all styles but "stabs" with a low root."""
    rhythm = draw.at("rhythm").pick(CHORD_RHYTHMS[style])
    notes = []
    for event in repeat_rhythm(chords, rhythm):
        level = _draw_level(event.beat, draw.at("level", event.beat))
        degree = event.chord.degree
        voicing = voice_chord(key, degree, lowest=57)
        notes += [PhraseNote(beat=event.beat, beats=event.beats, pitch=pitch, level=level) for pitch in voicing]
        if style != "stabs":
            root = key.pitch(degree, 40)
            notes.append(PhraseNote(beat=event.beat, beats=event.beats, pitch=root, level=0.9 * level))
    return notes


def make_arpeggio(
    key: Key, chords: Sequence[Chord], beats_per_note: float, lowest: int, draw: Draw
) -> list[PhraseNote]:
    """Return broken chords; every note lasts up to four note intervals, but not beyond its chord."""
    figure = draw.at("figure").pick(ARPEGGIOS)
    notes = []
    for chord in chords:
        tones = [*voice_chord(key, chord.degree, lowest), key.pitch(chord.degree, lowest + 12)]
        for number in range(round(chord.beats / beats_per_note)):
            beat = chord.beat + number * beats_per_note
            beats = max(beats_per_note, min(4 * beats_per_note, chord.beats - number * beats_per_note))
            level = _draw_level(beat, draw.at("level", beat))
            notes.append(PhraseNote(beat=beat, beats=beats, pitch=tones[figure[number % len(figure)]], level=level))
    return notes


def voice_chord(key: Key, degree: int, lowest: int) -> list[int]:
    """Return the MIDI notes of a triad in close position, each in the octave from ``lowest``, ascending."""
    tones = [key.pitch(degree + step, 0) for step in (0, 2, 4)]
    return sorted(lowest + (tone - lowest) % 12 for tone in tones)


def make_melody(key: Key, chords: Sequence[Chord], lowest: int, draw: Draw) -> list[PhraseNote]:
    """Return a melody in small steps along the scale; each bar begins on a tone of its chord. Notes do not overlap.

    The pitch stays between three degrees below the root and five above it.
    """
    first, second = (draw.at("rhythm", number).pick(MELODY_RHYTHMS) for number in (0, 1))
    bars = round((chords[-1].beat + chords[-1].beats) / 4)
    degree = chords[0].degree + draw.at("start").pick((0, 2, 4))
    notes = []
    for bar in range(bars):
        for number, (beat_of_bar, beats, _) in enumerate(first if bar % 2 == 0 else second):
            beat = 4.0 * bar + beat_of_bar
            walk = draw.at("walk", bar, number)
            if number == 0:
                degree = _nearest_chord_tone(degree, _find_chord(chords, beat))
            else:
                degree = degree + walk.pick((-2, -1, -1, 1, 1, 2))
            degree = min(max(degree, -3), 5)
            level = 0.8 + 0.2 * walk.uniform()
            notes.append(PhraseNote(beat=beat, beats=beats, pitch=key.pitch(degree, lowest), level=level))
    return notes


def _nearest_chord_tone(degree: int, chord: Chord) -> int:
    tones = (chord.degree + step for step in (-7, -5, -3, 0, 2, 4, 7))
    return min(tones, key=lambda tone: (abs(tone - degree), tone))


def _find_chord(chords: Sequence[Chord], beat: float) -> Chord:
    return [chord for chord in chords if chord.beat <= beat][-1]


def repeat_rhythm(chords: Sequence[Chord], rhythm: Rhythm) -> list[RhythmEvent]:
    """Repeat a bar's rhythm over all chords; an event that reaches into the next chord is struck again there."""
    end = chords[-1].beat + chords[-1].beats
    events = []
    for bar in range(round(end / 4)):
        for beat, beats, step in rhythm:
            start, stop = 4.0 * bar + beat, 4.0 * bar + beat + beats
            overlapping = [chord for chord in chords if chord.beat < stop - 0.3 and chord.beat + chord.beats > start]
            for chord in overlapping:
                onset = max(start, chord.beat)
                duration = min(stop, chord.beat + chord.beats) - onset
                events.append(RhythmEvent(chord=chord, beat=onset, beats=duration, step=step))
    return events


def _draw_level(beat: float, draw: Draw) -> float:
    """Return a level with the accents of a bar and a random variation."""
    accent = 0.85 if beat % 4 == 0 else 0.75 if beat % 1 == 0 else 0.62
    return accent + 0.14 * draw.uniform()
