"""The loops: packs that share a key and a tempo, and how a phrase of each instrument becomes audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import oaconvolve

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis import phrases
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    bell,
    faded,
    high_pass,
    low_pass,
    room_response,
    saturate,
    seconds_to_frames,
    time_axis,
    unit_peak,
)
from rmod_pipeline.synthesis.phrases import Chord, Key, PhraseNote
from rmod_pipeline.synthesis.strings import (
    Blow,
    Pluck,
    analogue_bass,
    piano_note,
    plucked_bass,
    plucked_string,
    sub_bass,
    tine_note,
)
from rmod_pipeline.synthesis.voice import Singer, Syllable, sing

# Notes and rooms ring on after the last bar by at most this long; that end is laid over the loop's beginning.
_TAIL_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack of loops in one key and tempo. A style is an instrument and a way of playing, one of each for a loop."""

    name: str
    beats_a_minute: float
    key: Key
    bass: Sequence[tuple[str, str]]
    piano: Sequence[tuple[str, str]]
    guitar: Sequence[tuple[str, str]]
    vocal: Sequence[tuple[str, str]]
    swing: float = 0.0
    """How late every second half beat comes, as a part of a beat."""
    split: str = "train"

    @property
    def bars(self) -> int:
        """Two bars where they last four seconds at least, else four."""
        return 2 if self.beats_a_minute <= 120.0 else 4

    @property
    def frames(self) -> int:
        return seconds_to_frames(self.bars * 4 * 60.0 / self.beats_a_minute)

    def frame_of(self, beat: float) -> int:
        late = self.swing if beat % 1 == 0.5 else 0.0
        return round((beat + late) * 60.0 / self.beats_a_minute * SAMPLE_RATE)

    def seconds(self, beats: float) -> float:
        return beats * 60.0 / self.beats_a_minute


LOOPS_A_PACK = 3


def loop_sound(pack: Pack, kind: str, number: int, draw: Draw) -> Signal:
    """Make one loop of a pack, [channels, frames], whole bars, seamless when repeated. Peak 1."""
    chords = phrases.progression(pack.key, number, pack.bars)
    players = {"bass": _bass, "piano": _piano, "guitar": _guitar, "vocal": _vocal}
    styles: dict[str, Sequence[tuple[str, str]]] = {
        "bass": pack.bass,
        "piano": pack.piano,
        "guitar": pack.guitar,
        "vocal": pack.vocal,
    }
    instrument, manner = styles[kind][number % len(styles[kind])]
    played = players[kind](pack, chords, instrument, manner, draw)
    return unit_peak(_wrapped(high_pass(played, 30.0), pack.frames))


def _wrapped(signal: Signal, frames: int) -> Signal:
    """Lay what rings on after the last frame over the beginning, so that the loop has no seam."""
    wrapped = signal[:, :frames].copy()
    for start in range(frames, signal.shape[1], frames):
        rest = signal[:, start : start + frames]
        wrapped[:, : rest.shape[1]] += rest
    return wrapped


def _stage(pack: Pack) -> Signal:
    return np.zeros(pack.frames + seconds_to_frames(_TAIL_SECONDS))


def _place(stage: Signal, sound: Signal, frame: int) -> None:
    stop = min(len(stage), frame + len(sound))
    if stop < frame + len(sound):
        sound = faded(sound[: stop - frame], seconds_to_frames(0.2))
    stage[frame:stop] += sound


def _bass(pack: Pack, chords: Sequence[Chord], instrument: str, manner: str, draw: Draw) -> Signal:
    stage = _stage(pack)
    tone = 1.0 + 0.3 * draw.at("tone").uniform()
    for number, note in enumerate(phrases.bass_line(pack.key, chords, manner, draw.at("line"))):
        seconds = pack.seconds(note.beats)
        match instrument:
            case "finger":
                sound = plucked_bass(note.pitch, seconds, note.level, 900.0 * tone, draw.at("note", number))
            case "upright":
                sound = plucked_bass(note.pitch, 0.9 * seconds, note.level, 450.0 * tone, draw.at("note", number))
            case "analogue":
                sound = analogue_bass(note.pitch, seconds, note.level, 420.0 * tone)
            case _:
                sound = sub_bass(note.pitch, seconds, note.level, 1.2 * tone)
        _place(stage, sound, pack.frame_of(note.beat))
    return stage[None, :]


def _piano(pack: Pack, chords: Sequence[Chord], instrument: str, manner: str, draw: Draw) -> Signal:
    notes = (
        phrases.arpeggio(pack.key, chords, 0.5, 57, draw.at("line"))
        + phrases.bass_line(pack.key, chords, "long", draw.at("left"))
        if manner == "arpeggio"
        else phrases.chord_part(pack.key, chords, manner, draw.at("line"))
    )
    left, right = _stage(pack), _stage(pack)
    made: dict[tuple[int, float, float], Signal] = {}
    for number, note in enumerate(notes):
        pitch = note.pitch + (12 if note.pitch < 40 else 0)
        # Ten steps of level are as many as one hears, and a note that was made once can be played again.
        level, seconds = round(note.level, 1), round(pack.seconds(note.beats), 4)
        if (pitch, seconds, level) not in made:
            made[pitch, seconds, level] = (
                piano_note(pitch, seconds, level, draw.at("note", pitch))
                if instrument == "grand"
                else tine_note(pitch, seconds, level)
            )
        frame = _humanised(pack.frame_of(note.beat), draw.at("late", number))
        # Seen from the keys: low notes left, high notes right.
        side = min(max((pitch - 60) / 48.0, -0.5), 0.5)
        _place(left, made[pitch, seconds, level] * (1.0 - side), frame)
        _place(right, made[pitch, seconds, level] * (1.0 + side), frame)
    if instrument == "tines":
        sway = 0.25 * np.sin(2.0 * np.pi * 5.1 * time_axis(len(left)))
        left, right = saturate(unit_peak(left), 0.7) * (1.0 + sway), saturate(unit_peak(right), 0.7) * (1.0 - sway)
        return np.stack([left, right])
    return _in_room(np.stack([left, right]), draw.at("room"), 0.9, 5000.0, 0.22)


def _guitar(pack: Pack, chords: Sequence[Chord], instrument: str, manner: str, draw: Draw) -> Signal:
    """Six strings, or as many as a chord has tones: each sounds from pluck to pluck and is stopped at a new chord."""
    pluck = {
        "nylon": Pluck(position=0.25, tone_hz=2600.0, seconds=2.2, damping=0.32),
        "steel": Pluck(position=0.16, tone_hz=6500.0, seconds=3.5, damping=0.16),
        "clean": Pluck(position=0.2, tone_hz=4500.0, seconds=3.0, damping=0.22),
        "driven": Pluck(position=0.12, tone_hz=5500.0, seconds=4.0, damping=0.2),
    }[instrument]
    stage = _stage(pack)
    fingered = _broken(pack, chords, draw) if manner == "arpeggio" else _strummed(pack, chords, manner, draw)
    for number, (pitch, blows, stop) in enumerate(fingered):
        first = blows[0].frame
        heard = [Blow(frame=blow.frame - first, level=blow.level) for blow in blows]
        hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
        frames = max(1, min(stop, len(stage)) - first) + seconds_to_frames(0.05)
        sound = plucked_string(hz, frames, heard, pluck, draw.at("string", number))
        _place(stage, faded(sound, seconds_to_frames(0.05)), first)
    return _guitar_body(stage, instrument, draw)


# A string that sounds: its pitch, the frames and levels it is plucked at, and the frame it is stopped at.
Fingered = tuple[int, list[Blow], int]


def _broken(pack: Pack, chords: Sequence[Chord], draw: Draw) -> list[Fingered]:
    """Pluck each chord one string at a time over its root; a string that is plucked again rings on."""
    fingered = []
    for chord in chords:
        root = PhraseNote(beat=chord.beat, beats=chord.beats, pitch=pack.key.pitch(chord.degree, 40), level=0.8)
        notes = [root, *phrases.arpeggio(pack.key, [chord], 0.5, 52, draw.at("line"))]
        end = pack.frame_of(chord.beat + chord.beats)
        for pitch in sorted({note.pitch for note in notes}):
            plucks = [note for note in notes if note.pitch == pitch]
            fingered.append((pitch, [_blow(pack, note, draw.at("late", note.beat, pitch)) for note in plucks], end))
    return fingered


def _strummed(pack: Pack, chords: Sequence[Chord], manner: str, draw: Draw) -> list[Fingered]:
    """Sweep a pick across the strings; they ring until the next stroke, or are damped at once where the hand chops."""
    strokes = phrases.laid_over(chords, draw.at("rhythm").pick(phrases.CHORD_RHYTHMS[manner]))
    starts = [pack.frame_of(beat) for _, beat, _, _ in strokes]
    fingered = []
    for at, (chord, beat, beats, up) in enumerate(strokes):
        damped = pack.frame_of(beat) + seconds_to_frames(pack.seconds(beats))
        pitches = _grip(pack.key, chord, manner)
        for string, pitch in enumerate(pitches):
            order = len(pitches) - 1 - string if up else string
            uneven = draw.at("stroke", at, string).uniform()
            # A pick crosses the strings in some 25 ms, down from the lowest, up from the highest and lighter.
            late = round((0.0045 * order + 0.001 * uneven) * SAMPLE_RATE)
            stop = damped if manner == "chop" or at + 1 == len(strokes) else starts[at + 1]
            blow = Blow(frame=starts[at] + late, level=(0.6 if up else 0.85) * (0.8 + 0.4 * uneven))
            fingered.append((pitch, [blow], stop + late))
    return fingered


def _grip(key: Key, chord: Chord, manner: str) -> list[int]:
    """Return the pitches of a chord as a hand holds it: root and fifth, then the chord, or root, fifth, octave."""
    root = key.pitch(chord.degree, 40)
    fifth = root + (key.pitch(chord.degree + 4, 0) - key.pitch(chord.degree, 0))
    if manner == "power":
        return [root, fifth, root + 12]
    upper = phrases.close_voicing(key, chord.degree, root + 12)
    return sorted({root, fifth, *upper, upper[0] + 12})


def _guitar_body(stage: Signal, instrument: str, draw: Draw) -> Signal:
    sound = high_pass(stage, 75.0)
    if instrument in ("nylon", "steel"):
        # Air and top plate of a guitar resonate near 100 and 200 Hz (Fletcher & Rossing, chapter 9).
        for hz, gain_db, q in ((104.0, 5.0, 3.0), (205.0, 6.0, 4.0), (410.0, 3.0, 3.0), (2600.0, 2.0, 1.0)):
            sound = bell(sound, hz, gain_db, q)
        return _in_room(
            _doubled(saturate(unit_peak(sound), 1.2), draw.at("double"), 0.35), draw.at("room"), 0.5, 5500.0, 0.15
        )
    drive = 9.0 if instrument == "driven" else 1.5
    amplified = saturate(bell(unit_peak(sound), 700.0, 3.0, 0.7), drive)
    # A loudspeaker in a box carries nothing above 5 kHz.
    speaker = low_pass(low_pass(bell(high_pass(amplified, 90.0), 2600.0, 5.0, 1.2), 4800.0), 5200.0)
    if instrument == "driven":
        return speaker[None, :]
    return _in_room(_doubled(speaker, draw.at("double"), 0.6), draw.at("room"), 0.4, 5000.0, 0.12)


def _doubled(signal: Signal, draw: Draw, level: float) -> Signal:
    """Widen to stereo with a copy on each side that wavers a few milliseconds late (a chorus)."""
    time = time_axis(len(signal))
    sides = []
    for side in ("left", "right"):
        rate = 0.5 + 0.5 * draw.at(side, "rate").uniform()
        delay = 0.009 + 0.003 * np.sin(2.0 * np.pi * (rate * time + draw.at(side, "phase").uniform()))
        late = np.interp(time - delay, time, signal, left=0.0)
        sides.append(signal + level * late)
    return np.stack(sides)


def _vocal(pack: Pack, chords: Sequence[Chord], instrument: str, manner: str, draw: Draw) -> Signal:
    """One singer with words of nonsense, or a choir of vowels on the chords."""
    singer, lowest = {
        "tenor": (Singer(tract=1.0, open_quotient=0.55), 49),
        "baritone": (Singer(tract=0.95, open_quotient=0.5, breath=0.015), 45),
        "alto": (Singer(tract=1.15, open_quotient=0.62, breath=0.03), 53),
        "soprano": (Singer(tract=1.19, open_quotient=0.66, breath=0.035, vibrato_cents=35), 57),
        "breathy": (Singer(tract=1.16, open_quotient=0.75, breath=0.12, tilt_hz=2500, vibrato_cents=15), 55),
    }[instrument]
    if manner == "choir":
        return _in_room(_choir(pack, chords, singer, lowest, draw), draw.at("room"), 1.3, 5000.0, 0.4)
    line = phrases.melody(pack.key, chords, lowest, draw.at("line"))
    voice = sing(_sung_frames(pack), _words(pack, line, manner, draw.at("words")), singer, draw.at("voice"))
    return _in_room(voice[None, :], draw.at("room"), 0.9, 5500.0, 0.2)


def _sung_frames(pack: Pack) -> int:
    """Return the frames of a pack's loop and of the end of a last note, before any room."""
    return pack.frames + seconds_to_frames(0.15)


def _choir(pack: Pack, chords: Sequence[Chord], singer: Singer, lowest: int, draw: Draw) -> Signal:
    """Four singers from left to right on the tones of the chords, the lowest tone twice; [2, frames]."""
    left, right = _stage(pack), _stage(pack)
    vowel = draw.at("vowel").pick(("a", "o", "u"))
    for part, side in enumerate((-0.7, 0.3, 0.8, -0.2)):
        own = draw.at("part", part)
        words = [_syllable(pack, note, "", vowel) for note in _held(pack.key, chords, lowest, part % 3)]
        tract = singer.tract * (0.97 + 0.06 * own.at("tract").uniform())
        voice = sing(_sung_frames(pack), words, Singer(tract=tract, open_quotient=0.66, breath=0.05), own)
        late = seconds_to_frames(0.02 * own.at("late").uniform())
        _place(left, voice * (1.0 - side), late)
        _place(right, voice * (1.0 + side), late)
    return np.stack([left, right])


def _held(key: Key, chords: Sequence[Chord], lowest: int, tone: int) -> list[PhraseNote]:
    """Hold one tone of every chord, with a breath before the next."""
    pitches = [phrases.close_voicing(key, chord.degree, lowest)[tone] for chord in chords]
    return [
        PhraseNote(beat=chord.beat, beats=chord.beats - 0.1, pitch=pitch, level=0.8)
        for chord, pitch in zip(chords, pitches, strict=True)
    ]


WORDS: dict[str, Sequence[tuple[str, str]]] = {
    "la": (("l", "a"), ("l", "a"), ("l", "a"), ("l", "e")),
    "words": (("w", "e"), ("s", "i"), ("m", "a"), ("n", "o"), ("h", "i"), ("d", "u"), ("y", "e"), ("l", "o")),
    "oh": (("", "o"), ("h", "e"), ("", "o"), ("y", "e")),
    "da": (("d", "a"), ("d", "u"), ("d", "i"), ("d", "a")),
    "hum": (("m", "u"), ("m", "o"), ("m", "u"), ("n", "u")),
}


def _words(pack: Pack, line: Sequence[PhraseNote], manner: str, draw: Draw) -> list[Syllable]:
    words = WORDS[manner]
    start = draw.at("start").below(len(words))
    return [_syllable(pack, note, *words[(start + at) % len(words)]) for at, note in enumerate(line)]


def _syllable(pack: Pack, note: PhraseNote, consonant: str, vowel: str) -> Syllable:
    start = pack.frame_of(note.beat)
    stop = start + seconds_to_frames(pack.seconds(note.beats))
    return Syllable(start=start, stop=stop, pitch=note.pitch, level=note.level, consonant=consonant, vowel=vowel)


def _blow(pack: Pack, note: PhraseNote, draw: Draw) -> Blow:
    return Blow(frame=_humanised(pack.frame_of(note.beat), draw), level=note.level)


def _humanised(frame: int, draw: Draw) -> int:
    """Move a note late by up to eight milliseconds, as hands do."""
    return frame + round(0.008 * draw.uniform() * SAMPLE_RATE)


def _in_room(signal: Signal, draw: Draw, seconds: float, tone_hz: float, level: float) -> Signal:
    """Add a room to a signal of one or two channels, with a response of its own for each side; returns two."""
    responses = np.stack([room_response(draw.at(side), seconds, tone_hz) for side in ("left", "right")])
    wet: Signal = oaconvolve(signal, responses, axes=-1)
    wet *= level
    wet[:, : signal.shape[1]] += signal
    return wet


PACKS: tuple[Pack, ...] = (
    Pack(
        name="amber-96",
        beats_a_minute=96,
        key=Key(root=9, scale="minor"),
        bass=(("finger", "syncopated"), ("sub", "long"), ("finger", "roots")),
        piano=(("tines", "stabs"), ("grand", "arpeggio"), ("tines", "held")),
        guitar=(("clean", "chop"), ("nylon", "arpeggio"), ("clean", "strum")),
        vocal=(("alto", "words"), ("tenor", "oh"), ("alto", "choir")),
    ),
    Pack(
        name="cobalt-124",
        beats_a_minute=124,
        key=Key(root=5, scale="minor"),
        bass=(("analogue", "offbeat"), ("analogue", "eighths"), ("sub", "offbeat")),
        piano=(("grand", "stabs"), ("tines", "stabs"), ("grand", "arpeggio")),
        guitar=(("clean", "chop"), ("clean", "arpeggio"), ("steel", "strum")),
        vocal=(("soprano", "oh"), ("breathy", "da"), ("soprano", "choir")),
    ),
    Pack(
        name="dust-84",
        beats_a_minute=84,
        key=Key(root=2, scale="dorian"),
        bass=(("upright", "roots"), ("finger", "syncopated"), ("upright", "walking")),
        piano=(("tines", "held"), ("grand", "quarters"), ("tines", "arpeggio")),
        guitar=(("nylon", "arpeggio"), ("clean", "chop"), ("nylon", "strum")),
        vocal=(("breathy", "hum"), ("alto", "la"), ("breathy", "words")),
        swing=0.12,
    ),
    Pack(
        name="ember-140",
        beats_a_minute=140,
        key=Key(root=4, scale="minor"),
        bass=(("analogue", "eighths"), ("finger", "eighths"), ("analogue", "roots")),
        piano=(("grand", "quarters"), ("grand", "arpeggio"), ("tines", "stabs")),
        guitar=(("driven", "power"), ("driven", "arpeggio"), ("steel", "strum")),
        vocal=(("tenor", "words"), ("tenor", "la"), ("baritone", "choir")),
    ),
    Pack(
        name="fern-104",
        beats_a_minute=104,
        key=Key(root=7, scale="major"),
        bass=(("finger", "roots"), ("finger", "walking"), ("upright", "roots")),
        piano=(("grand", "quarters"), ("grand", "held"), ("grand", "arpeggio")),
        guitar=(("steel", "strum"), ("steel", "arpeggio"), ("nylon", "strum")),
        vocal=(("tenor", "la"), ("alto", "words"), ("tenor", "choir")),
    ),
    Pack(
        name="gable-75",
        beats_a_minute=75,
        key=Key(root=0, scale="minor"),
        bass=(("sub", "long"), ("sub", "syncopated"), ("analogue", "long")),
        piano=(("grand", "held"), ("tines", "arpeggio"), ("grand", "stabs")),
        guitar=(("nylon", "arpeggio"), ("clean", "strum"), ("nylon", "chop")),
        vocal=(("breathy", "oh"), ("soprano", "hum"), ("alto", "da")),
    ),
    Pack(
        name="harbour-112",
        beats_a_minute=112,
        key=Key(root=10, scale="mixolydian"),
        bass=(("finger", "syncopated"), ("finger", "eighths"), ("analogue", "syncopated")),
        piano=(("grand", "stabs"), ("tines", "quarters"), ("grand", "quarters")),
        guitar=(("clean", "chop"), ("driven", "power"), ("clean", "arpeggio")),
        vocal=(("baritone", "words"), ("tenor", "da"), ("soprano", "la")),
        swing=0.05,
    ),
    Pack(
        name="iris-172",
        beats_a_minute=172,
        key=Key(root=6, scale="minor"),
        bass=(("sub", "roots"), ("analogue", "syncopated"), ("sub", "syncopated")),
        piano=(("tines", "held"), ("grand", "arpeggio"), ("grand", "held")),
        guitar=(("clean", "arpeggio"), ("clean", "chop"), ("nylon", "arpeggio")),
        vocal=(("soprano", "words"), ("breathy", "la"), ("soprano", "choir")),
    ),
    Pack(
        name="juniper-90",
        beats_a_minute=90,
        key=Key(root=3, scale="major"),
        bass=(("finger", "roots"), ("sub", "syncopated"), ("upright", "walking")),
        piano=(("tines", "stabs"), ("grand", "held"), ("grand", "arpeggio")),
        guitar=(("steel", "arpeggio"), ("nylon", "strum"), ("clean", "chop")),
        vocal=(("alto", "oh"), ("baritone", "la"), ("alto", "choir")),
        split="valid",
    ),
    Pack(
        name="kelp-128",
        beats_a_minute=128,
        key=Key(root=11, scale="minor"),
        bass=(("analogue", "offbeat"), ("sub", "offbeat"), ("finger", "eighths")),
        piano=(("grand", "stabs"), ("tines", "arpeggio"), ("grand", "quarters")),
        guitar=(("clean", "chop"), ("steel", "strum"), ("driven", "power")),
        vocal=(("tenor", "oh"), ("soprano", "da"), ("breathy", "choir")),
        split="test",
    ),
)
