"""Phrases: what bass, piano, guitar and voice play, as notes in a key, over chords, on a grid of beats."""

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
"""Four chords, each by the degree of the scale it stands on, 0 the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A root as MIDI number modulo 12, and the name of a scale."""

    root: int
    scale: str

    def pitch(self, degree: int, lowest: int) -> int:
        """Return the MIDI number of a degree, counted from the key's first root at or above ``lowest``."""
        base = lowest + (self.root - lowest) % 12
        octave, step = divmod(degree, 7)
        return base + 12 * octave + SCALES[self.scale][step]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseNote:
    """A note: when and how long in beats, pitch in MIDI numbers, level 0 to 1."""

    beat: float
    beats: float
    pitch: int
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chord:
    """A chord of the progression: the degree of the scale it stands on, and the beats it lasts."""

    degree: int
    beat: float
    beats: float


# A rhythm is a bar of four beats: when, how long, and which step of the line (a chord tone above the root).
Rhythm = Sequence[tuple[float, float, int]]

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

# Steps through a chord of four tones, sixteen to the bar or eight.
ARPEGGIOS: Sequence[Sequence[int]] = (
    (0, 1, 2, 3, 2, 1, 2, 1),
    (0, 2, 1, 3, 0, 2, 1, 3),
    (3, 2, 1, 0, 1, 2, 3, 2),
    (0, 3, 2, 3, 1, 3, 2, 3),
)

MELODY_RHYTHMS: Sequence[Rhythm] = (
    [(0, 0.9, 0), (1, 0.4, 0), (1.5, 0.9, 0), (2.5, 1.3, 0)],
    [(0, 0.45, 0), (0.5, 0.45, 0), (1, 0.9, 0), (2, 1.6, 0)],
    [(0.5, 0.45, 0), (1, 0.45, 0), (1.5, 0.45, 0), (2, 0.9, 0), (3, 0.8, 0)],
    [(0, 1.4, 0), (1.5, 0.45, 0), (2, 1.7, 0)],
)


def progression(key: Key, number: int, bars: int) -> list[Chord]:
    """Return four chords that fill the bars."""
    options = PROGRESSIONS[key.scale]
    return [
        Chord(degree=degree, beat=float(at * bars), beats=float(bars))
        for at, degree in enumerate(options[number % len(options)])
    ]


def bass_line(key: Key, chords: Sequence[Chord], style: str, draw: Draw) -> list[PhraseNote]:
    """Play a rhythm over the roots, with chord tones and steps of the scale between."""
    rhythm = draw.at("rhythm").pick(BASS_RHYTHMS[style])
    notes = []
    for chord, beat, beats, step in laid_over(chords, rhythm):
        root = key.pitch(chord.degree, 28)
        # Low roots are kept, high ones go down an octave: a bass stays in its register.
        pitch = key.pitch(chord.degree + step, 28) - (12 if root > 38 else 0)
        notes.append(PhraseNote(beat=beat, beats=beats, pitch=pitch, level=_level(beat, draw.at("level", beat))))
    return notes


def chord_part(key: Key, chords: Sequence[Chord], style: str, draw: Draw) -> list[PhraseNote]:
    """Play voiced chords in a rhythm, over their root an octave or two below."""
    rhythm = draw.at("rhythm").pick(CHORD_RHYTHMS[style])
    notes = []
    for chord, beat, beats, _ in laid_over(chords, rhythm):
        level = _level(beat, draw.at("level", beat))
        voicing = close_voicing(key, chord.degree, lowest=57)
        notes += [PhraseNote(beat=beat, beats=beats, pitch=pitch, level=level) for pitch in voicing]
        if style != "stabs":
            notes.append(PhraseNote(beat=beat, beats=beats, pitch=key.pitch(chord.degree, 40), level=0.9 * level))
    return notes


def arpeggio(key: Key, chords: Sequence[Chord], beats_a_note: float, lowest: int, draw: Draw) -> list[PhraseNote]:
    """Break each chord into a figure; every note rings to the end of its chord's half."""
    figure = draw.at("figure").pick(ARPEGGIOS)
    notes = []
    for chord in chords:
        tones = [*close_voicing(key, chord.degree, lowest), key.pitch(chord.degree, lowest + 12)]
        for at in range(round(chord.beats / beats_a_note)):
            beat = chord.beat + at * beats_a_note
            ringing = max(beats_a_note, min(4 * beats_a_note, chord.beats - at * beats_a_note))
            level = _level(beat, draw.at("level", beat))
            notes.append(PhraseNote(beat=beat, beats=ringing, pitch=tones[figure[at % len(figure)]], level=level))
    return notes


def close_voicing(key: Key, degree: int, lowest: int) -> list[int]:
    """Return a chord's third, fifth, seventh or root, whichever order lies just above ``lowest``, ascending."""
    tones = [key.pitch(degree + step, 0) for step in (0, 2, 4)]
    return sorted(lowest + (tone - lowest) % 12 for tone in tones)


def melody(key: Key, chords: Sequence[Chord], lowest: int, draw: Draw) -> list[PhraseNote]:
    """Walk along the scale in small steps; each chord is met on one of its tones. No two notes overlap.

    A voice stays between a fourth below its root and a sixth above.
    """
    first, second = (draw.at("rhythm", which).pick(MELODY_RHYTHMS) for which in (0, 1))
    bars = round((chords[-1].beat + chords[-1].beats) / 4)
    degree = chords[0].degree + draw.at("start").pick((0, 2, 4))
    notes = []
    for bar in range(bars):
        for at, (beat, beats, _) in enumerate(first if bar % 2 == 0 else second):
            now = 4.0 * bar + beat
            walk = draw.at("walk", bar, at)
            degree = (
                _nearest_tone(degree, _chord_at(chords, now)) if at == 0 else degree + walk.pick((-2, -1, -1, 1, 1, 2))
            )
            degree = min(max(degree, -3), 5)
            notes.append(
                PhraseNote(beat=now, beats=beats, pitch=key.pitch(degree, lowest), level=0.8 + 0.2 * walk.uniform())
            )
    return notes


def _nearest_tone(degree: int, chord: Chord) -> int:
    return min((chord.degree + step for step in (-7, -5, -3, 0, 2, 4, 7)), key=lambda tone: (abs(tone - degree), tone))


def _chord_at(chords: Sequence[Chord], beat: float) -> Chord:
    return [chord for chord in chords if chord.beat <= beat][-1]


def laid_over(chords: Sequence[Chord], rhythm: Rhythm) -> list[tuple[Chord, float, float, int]]:
    """Repeat a bar's rhythm over all chords: chord, beat, beats and step of every note.

    A note that reaches into the next chord is struck again there, on the new chord.
    """
    end = chords[-1].beat + chords[-1].beats
    laid = []
    for bar in range(round(end / 4)):
        for beat, beats, step in rhythm:
            start, stop = 4.0 * bar + beat, 4.0 * bar + beat + beats
            reached = [chord for chord in chords if chord.beat < stop - 0.3 and chord.beat + chord.beats > start]
            for chord in reached:
                own = max(start, chord.beat)
                laid.append((chord, own, min(stop, chord.beat + chord.beats) - own, step))
    return laid


def _level(beat: float, draw: Draw) -> float:
    """Return a level with the bar's accents and a hand's unevenness."""
    accent = 0.85 if beat % 4 == 0 else 0.75 if beat % 1 == 0 else 0.62
    return accent + 0.14 * draw.uniform()
