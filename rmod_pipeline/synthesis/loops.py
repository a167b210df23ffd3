"""Synthesise the loops of a pack, which share a key and a tempo: write a phrase and play it on an instrument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis import phrases
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    fade_end,
    high_pass,
    low_pass,
    midi_to_hz,
    normalize_peak,
    peaking_filter,
    room_impulse_response,
    saturate,
    seconds_to_frames,
    time_axis,
)
from rmod_pipeline.synthesis.phrases import Chord, Key, PhraseNote
from rmod_pipeline.synthesis.singing import Singer, Syllable, sing
from rmod_pipeline.synthesis.strings import (
    Pluck,
    PluckedString,
    synthesize_analogue_bass,
    synthesize_electric_piano_note,
    synthesize_piano_note,
    synthesize_plucked_bass,
    synthesize_plucked_string,
    synthesize_sub_bass,
)

# Limit for the decay of notes and rooms after the last bar, which is added to the beginning of the loop.
_TAIL_SECONDS = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack of loops in one key and tempo.

    ``bass``, ``piano``, ``guitar`` and ``vocal`` hold the instrument and the playing style of each loop.
    """

    name: str
    tempo_bpm: float
    key: Key
    bass: Sequence[tuple[str, str]]
    piano: Sequence[tuple[str, str]]
    guitar: Sequence[tuple[str, str]]
    vocal: Sequence[tuple[str, str]]
    swing: float = 0.0
    """Delay of every second half beat, as a fraction of a beat."""
    split: str = "train"

    @property
    def bars(self) -> int:
        """Number of bars in a loop: 2 if they last at least four seconds, else 4."""
        return 2 if self.tempo_bpm <= 120.0 else 4

    @property
    def frames(self) -> int:
        """Number of frames in a loop."""
        return seconds_to_frames(self.bars * 4 * 60.0 / self.tempo_bpm)

    def frame_of(self, beat: float) -> int:
        """Return the frame of a beat, with swing."""
        delay = self.swing if beat % 1 == 0.5 else 0.0
        return round((beat + delay) * 60.0 / self.tempo_bpm * SAMPLE_RATE)

    def seconds(self, beats: float) -> float:
        """Return the duration of a number of beats."""
        return beats * 60.0 / self.tempo_bpm


LOOPS_PER_PACK = 3


def make_loop(pack: Pack, kind: str, number: int, draw: Draw) -> Signal:
    """Return one loop of a pack, [channels, frames] with peak 1: whole bars, seamless when repeated."""
    chords = phrases.make_progression(pack.key, number, pack.bars)
    players = {"bass": _play_bass, "piano": _play_piano, "guitar": _play_guitar, "vocal": _sing_vocal}
    styles: dict[str, Sequence[tuple[str, str]]] = {
        "bass": pack.bass,
        "piano": pack.piano,
        "guitar": pack.guitar,
        "vocal": pack.vocal,
    }
    instrument, style = styles[kind][number % len(styles[kind])]
    audio = players[kind](pack, chords, instrument, style, draw)
    return normalize_peak(_wrap_tail(high_pass(audio, 30.0), pack.frames))


def _wrap_tail(signal: Signal, frames: int) -> Signal:
    """Add everything after ``frames`` to the beginning, so that the loop has no seam."""
    wrapped = signal[:, :frames].copy()
    for start in range(frames, signal.shape[1], frames):
        tail = signal[:, start : start + frames]
        wrapped[:, : tail.shape[1]] += tail
    return wrapped


def _make_track(pack: Pack) -> Signal:
    """Return silence for a loop and its tail, [frames]."""
    return np.zeros(pack.frames + seconds_to_frames(_TAIL_SECONDS))


def _add_sound(track: Signal, sound: Signal, frame: int) -> None:
    """Add a sound to a track at a frame; fade it out if the track ends first."""
    stop = min(len(track), frame + len(sound))
    if stop < frame + len(sound):
        sound = fade_end(sound[: stop - frame], seconds_to_frames(0.2))
    track[frame:stop] += sound


def _play_bass(pack: Pack, chords: Sequence[Chord], instrument: str, style: str, draw: Draw) -> Signal:
    """Return a bass loop [1, frames]."""
    track = _make_track(pack)
    tone = 1.0 + 0.3 * draw.at("tone").uniform()
    for number, note in enumerate(phrases.make_bass_line(pack.key, chords, style, draw.at("line"))):
        seconds = pack.seconds(note.beats)
        note_draw = draw.at("note", number)
        match instrument:
            case "finger":
                sound = synthesize_plucked_bass(note.pitch, seconds, note.level, 900.0 * tone, note_draw)
            case "upright":
                sound = synthesize_plucked_bass(note.pitch, 0.9 * seconds, note.level, 450.0 * tone, note_draw)
            case "analogue":
                sound = synthesize_analogue_bass(note.pitch, seconds, note.level, 420.0 * tone)
            case _:
                sound = synthesize_sub_bass(note.pitch, seconds, note.level, 1.2 * tone)
        _add_sound(track, sound, pack.frame_of(note.beat))
    return track[None, :]


def _play_piano(pack: Pack, chords: Sequence[Chord], instrument: str, style: str, draw: Draw) -> Signal:
    """Return a loop [2, frames] of a grand piano or, for "tines", an electric piano."""
    notes = (
        phrases.make_arpeggio(pack.key, chords, 0.5, 57, draw.at("line"))
        + phrases.make_bass_line(pack.key, chords, "long", draw.at("left"))
        if style == "arpeggio"
        else phrases.make_chord_part(pack.key, chords, style, draw.at("line"))
    )
    left, right = _make_track(pack), _make_track(pack)
    sounds: dict[tuple[int, float, float], Signal] = {}
    for number, note in enumerate(notes):
        pitch = note.pitch + (12 if note.pitch < 40 else 0)
        # Levels are rounded to inaudible steps, so that equal notes are synthesised only once.
        level, seconds = round(note.level, 1), round(pack.seconds(note.beats), 4)
        key = pitch, seconds, level
        if key not in sounds:
            sounds[key] = (
                synthesize_piano_note(pitch, seconds, level, draw.at("note", pitch))
                if instrument == "grand"
                else synthesize_electric_piano_note(pitch, seconds, level)
            )
        frame = _delay_randomly(pack.frame_of(note.beat), draw.at("late", number))
        # Low notes are on the left, high notes on the right, as for the player.
        pan = min(max((pitch - 60) / 48.0, -0.5), 0.5)
        _add_sound(left, sounds[key] * (1.0 - pan), frame)
        _add_sound(right, sounds[key] * (1.0 + pan), frame)
    if instrument == "tines":
        tremolo = 0.25 * np.sin(2.0 * np.pi * 5.1 * time_axis(len(left)))
        left = saturate(normalize_peak(left), 0.7) * (1.0 + tremolo)
        right = saturate(normalize_peak(right), 0.7) * (1.0 - tremolo)
        return np.stack([left, right])
    return _add_stereo_room(np.stack([left, right]), draw.at("room"), 0.9, 5000.0, 0.22)


@dataclass(frozen=True, slots=True)
class _StringPart:
    """A guitar string that sounds: its pitch, when it is plucked and when it is stopped."""

    pitch: int
    """MIDI note number."""
    plucks: list[Pluck]
    stop: int
    """Frame."""


def _play_guitar(pack: Pack, chords: Sequence[Chord], instrument: str, style: str, draw: Draw) -> Signal:
    """Return a guitar loop [channels, frames]: each string sounds from pluck to pluck and stops at a new chord."""
    string = {
        "nylon": PluckedString(position=0.25, tone_hz=2600.0, seconds=2.2, damping=0.32),
        "steel": PluckedString(position=0.16, tone_hz=6500.0, seconds=3.5, damping=0.16),
        "clean": PluckedString(position=0.2, tone_hz=4500.0, seconds=3.0, damping=0.22),
        "driven": PluckedString(position=0.12, tone_hz=5500.0, seconds=4.0, damping=0.2),
    }[instrument]
    track = _make_track(pack)
    parts = _pluck_arpeggio(pack, chords, draw) if style == "arpeggio" else _strum(pack, chords, style, draw)
    for number, part in enumerate(parts):
        first = part.plucks[0].frame
        plucks = [Pluck(frame=pluck.frame - first, level=pluck.level) for pluck in part.plucks]
        frames = max(1, min(part.stop, len(track)) - first) + seconds_to_frames(0.05)
        string_draw = draw.at("string", number)
        sound = synthesize_plucked_string(midi_to_hz(part.pitch), frames, plucks, string, string_draw)
        _add_sound(track, fade_end(sound, seconds_to_frames(0.05)), first)
    return _apply_guitar_body(track, instrument, draw)


def _pluck_arpeggio(pack: Pack, chords: Sequence[Chord], draw: Draw) -> list[_StringPart]:
    """Return each chord plucked one string at a time over its root; a repeated string keeps ringing."""
    parts = []
    for chord in chords:
        root = PhraseNote(beat=chord.beat, beats=chord.beats, pitch=pack.key.pitch(chord.degree, 40), level=0.8)
        notes = [root, *phrases.make_arpeggio(pack.key, [chord], 0.5, 52, draw.at("line"))]
        end = pack.frame_of(chord.beat + chord.beats)
        for pitch in sorted({note.pitch for note in notes}):
            plucks = [
                _make_pluck(pack, note, draw.at("late", note.beat, pitch)) for note in notes if note.pitch == pitch
            ]
            parts.append(_StringPart(pitch, plucks, end))
    return parts


def _strum(pack: Pack, chords: Sequence[Chord], style: str, draw: Draw) -> list[_StringPart]:
    """Return strummed chords; strings ring until the next stroke, but are damped after each stroke in "chop"."""
    rhythm = draw.at("rhythm").pick(phrases.CHORD_RHYTHMS[style])
    strokes = phrases.repeat_rhythm(chords, rhythm)
    starts = [pack.frame_of(stroke.beat) for stroke in strokes]
    parts = []
    for number, stroke in enumerate(strokes):
        damped = pack.frame_of(stroke.beat) + seconds_to_frames(pack.seconds(stroke.beats))
        is_upstroke = bool(stroke.step)
        pitches = _voice_guitar_chord(pack.key, stroke.chord, style)
        for index, pitch in enumerate(pitches):
            order = len(pitches) - 1 - index if is_upstroke else index
            variation = draw.at("stroke", number, index).uniform()
            # A pick crosses the strings in about 25 ms: down from the lowest, or up from the highest and softer.
            delay = round((0.0045 * order + 0.001 * variation) * SAMPLE_RATE)
            stop = damped if style == "chop" or number + 1 == len(strokes) else starts[number + 1]
            level = (0.6 if is_upstroke else 0.85) * (0.8 + 0.4 * variation)
            pluck = Pluck(frame=starts[number] + delay, level=level)
            parts.append(_StringPart(pitch, [pluck], stop + delay))
    return parts


def _voice_guitar_chord(key: Key, chord: Chord, style: str) -> list[int]:
    """Return the MIDI notes of a guitar chord: root, fifth and upper voicing; root, fifth and octave for "power"."""
    root = key.pitch(chord.degree, 40)
    fifth = root + (key.pitch(chord.degree + 4, 0) - key.pitch(chord.degree, 0))
    if style == "power":
        return [root, fifth, root + 12]
    upper = phrases.voice_chord(key, chord.degree, root + 12)
    return sorted({root, fifth, *upper, upper[0] + 12})


def _apply_guitar_body(track: Signal, instrument: str, draw: Draw) -> Signal:
    """Apply the body of an acoustic guitar or the amplifier of an electric one; return [channels, frames]."""
    sound = high_pass(track, 75.0)
    if instrument in ("nylon", "steel"):
        # The air and the top plate of a guitar resonate near 100 and 200 Hz (Fletcher & Rossing, chapter 9).
        for hz, gain_db, q in ((104.0, 5.0, 3.0), (205.0, 6.0, 4.0), (410.0, 3.0, 3.0), (2600.0, 2.0, 1.0)):
            sound = peaking_filter(sound, hz, gain_db, q)
        doubled = _add_chorus(saturate(normalize_peak(sound), 1.2), draw.at("double"), 0.35)
        return _add_stereo_room(doubled, draw.at("room"), 0.5, 5500.0, 0.15)
    drive = 9.0 if instrument == "driven" else 1.5
    amplified = saturate(peaking_filter(normalize_peak(sound), 700.0, 3.0, 0.7), drive)
    # A loudspeaker cabinet radiates nothing above 5 kHz.
    presence = peaking_filter(high_pass(amplified, 90.0), 2600.0, 5.0, 1.2)
    speaker = low_pass(low_pass(presence, 4800.0), 5200.0)
    if instrument == "driven":
        return speaker[None, :]
    return _add_stereo_room(_add_chorus(speaker, draw.at("double"), 0.6), draw.at("room"), 0.4, 5000.0, 0.12)


def _add_chorus(signal: Signal, draw: Draw, level: float) -> Signal:
    """Widen a signal to stereo, [2, frames], with a copy on each side whose delay of a few milliseconds varies."""
    time = time_axis(len(signal))
    channels = []
    for side in ("left", "right"):
        rate_hz = 0.5 + 0.5 * draw.at(side, "rate").uniform()
        delay = 0.009 + 0.003 * np.sin(2.0 * np.pi * (rate_hz * time + draw.at(side, "phase").uniform()))
        delayed = np.interp(time - delay, time, signal, left=0.0)
        channels.append(signal + level * delayed)
    return np.stack(channels)


def _sing_vocal(pack: Pack, chords: Sequence[Chord], instrument: str, style: str, draw: Draw) -> Signal:
    """Return a vocal loop [2, frames]: one singer with nonsense words, or a choir that sings the chords."""
    singer, lowest = {
        "tenor": (Singer(tract=1.0, open_quotient=0.55), 49),
        "baritone": (Singer(tract=0.95, open_quotient=0.5, breath=0.015), 45),
        "alto": (Singer(tract=1.15, open_quotient=0.62, breath=0.03), 53),
        "soprano": (Singer(tract=1.19, open_quotient=0.66, breath=0.035, vibrato_cents=35), 57),
        "breathy": (Singer(tract=1.16, open_quotient=0.75, breath=0.12, tilt_hz=2500, vibrato_cents=15), 55),
    }[instrument]
    if style == "choir":
        return _add_stereo_room(_sing_choir(pack, chords, singer, lowest, draw), draw.at("room"), 1.3, 5000.0, 0.4)
    melody = phrases.make_melody(pack.key, chords, lowest, draw.at("line"))
    syllables = _make_syllables(pack, melody, style, draw.at("words"))
    voice = sing(_vocal_frames(pack), syllables, singer, draw.at("voice"))
    return _add_stereo_room(voice[None, :], draw.at("room"), 0.9, 5500.0, 0.2)


def _vocal_frames(pack: Pack) -> int:
    """Return the frames of a loop and of the end of its last note, without the room."""
    return pack.frames + seconds_to_frames(0.15)


def _sing_choir(pack: Pack, chords: Sequence[Chord], singer: Singer, lowest: int, draw: Draw) -> Signal:
    """Return four singers at different positions on the tones of the chords, [2, frames]; two sing the lowest tone."""
    left, right = _make_track(pack), _make_track(pack)
    vowel = draw.at("vowel").pick(("a", "o", "u"))
    for part, pan in enumerate((-0.7, 0.3, 0.8, -0.2)):
        part_draw = draw.at("part", part)
        notes = _hold_chord_tones(pack.key, chords, lowest, part % 3)
        syllables = [_make_syllable(pack, note, "", vowel) for note in notes]
        tract = singer.tract * (0.97 + 0.06 * part_draw.at("tract").uniform())
        part_singer = Singer(tract=tract, open_quotient=0.66, breath=0.05)
        voice = sing(_vocal_frames(pack), syllables, part_singer, part_draw)
        delay = seconds_to_frames(0.02 * part_draw.at("late").uniform())
        _add_sound(left, voice * (1.0 - pan), delay)
        _add_sound(right, voice * (1.0 + pan), delay)
    return np.stack([left, right])


def _hold_chord_tones(key: Key, chords: Sequence[Chord], lowest: int, index: int) -> list[PhraseNote]:
    """Return one tone of every chord as a long note, with a short breath before the next."""
    pitches = [phrases.voice_chord(key, chord.degree, lowest)[index] for chord in chords]
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
"""Sequences of (consonant, vowel) by singing style."""


def _make_syllables(pack: Pack, melody: Sequence[PhraseNote], style: str, draw: Draw) -> list[Syllable]:
    """Return one syllable per note; the words repeat from a random start."""
    words = WORDS[style]
    start = draw.at("start").below(len(words))
    return [_make_syllable(pack, note, *words[(start + number) % len(words)]) for number, note in enumerate(melody)]


def _make_syllable(pack: Pack, note: PhraseNote, consonant: str, vowel: str) -> Syllable:
    start = pack.frame_of(note.beat)
    stop = start + seconds_to_frames(pack.seconds(note.beats))
    return Syllable(start=start, stop=stop, pitch=note.pitch, level=note.level, consonant=consonant, vowel=vowel)


def _make_pluck(pack: Pack, note: PhraseNote, draw: Draw) -> Pluck:
    return Pluck(frame=_delay_randomly(pack.frame_of(note.beat), draw), level=note.level)


def _delay_randomly(frame: int, draw: Draw) -> int:
    """Delay a note by up to 8 ms, as human timing does."""
    return frame + round(0.008 * draw.uniform() * SAMPLE_RATE)


def _add_stereo_room(signal: Signal, draw: Draw, seconds: float, tone_hz: float, level: float) -> Signal:
    """Add a room to a signal of one or two channels, with a separate response per side; return [2, frames]."""
    responses = np.stack([room_impulse_response(draw.at(side), seconds, tone_hz) for side in ("left", "right")])
    wet: Signal = scipy.signal.oaconvolve(signal, responses, axes=-1)
    wet *= level
    wet[:, : signal.shape[1]] += signal
    return wet
