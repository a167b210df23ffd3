"""Synthesise a drum of any class with parameters from wide ranges: training material for what hears drums.

The kits of the built-in library are chosen to sound well. These sounds are chosen to be different: each one draws its
own instrument. A classifier that has met many of them depends less on the few kits whose licences allow training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.cymbals import (
    PlateCymbal,
    SquareCymbal,
    synthesize_plate_cymbal,
    synthesize_square_cymbal,
)
from rmod_pipeline.synthesis.dsp import (
    Signal,
    band_pass,
    decay_envelope,
    high_pass,
    low_pass,
    normalize_peak,
    random_uniform,
    rise_envelope,
    saturate,
    seconds_to_frames,
    sine_oscillator,
    sum_damped_sines,
    time_axis,
    trim_one_shot,
    white_noise,
)
from rmod_pipeline.synthesis.kicks import (
    MembraneDrum,
    SweptDrum,
    synthesize_membrane_drum,
    synthesize_swept_drum,
)
from rmod_pipeline.synthesis.snares import CircuitSnare, WireSnare, synthesize_circuit_snare, synthesize_wire_snare

LONGEST_SECONDS = 3.0


def synthesize_random_drum(name: str, draw: Draw) -> Signal:
    """Return a drum [frames] at 44,100 Hz with a peak of 1; ``name`` is one of ``RANDOM_DRUMS``. Raises KeyError."""
    sound = RANDOM_DRUMS[name](draw)
    return normalize_peak(trim_one_shot(sound, 0.01, LONGEST_SECONDS))


def _log(draw: Draw, name: str, low: float, high: float) -> float:
    """Draw a number that is spread evenly on a logarithmic scale."""
    return float(low * (high / low) ** draw.at(name).uniform())


def _flat(draw: Draw, name: str, low: float, high: float) -> float:
    return low + (high - low) * draw.at(name).uniform()


def _is(draw: Draw, name: str, chance: float = 0.5) -> bool:
    return draw.at(name).chance(chance)


def _swept(draw: Draw, pitch: tuple[float, float], seconds: tuple[float, float], sweep: float) -> Signal:
    drum = SweptDrum(
        pitch_hz=_log(draw, "pitch", *pitch),
        sweep=_log(draw, "sweep", 1.1, sweep),
        sweep_seconds=_log(draw, "sweep_seconds", 0.004, 0.09),
        snap=_flat(draw, "snap", 0, 8),
        hold_seconds=_log(draw, "hold", 0.001, 0.06),
        seconds=_log(draw, "seconds", *seconds),
        click=_flat(draw, "click", 0, 0.6),
        click_hz=_log(draw, "click_hz", 800, 6000),
        hiss=_flat(draw, "hiss", 0, 0.06),
        drive=_flat(draw, "drive", 0, 2.5),
        tone_hz=_log(draw, "tone", 1500, 15_000),
    )
    return synthesize_swept_drum(drum, draw.at("sound"))


def _membrane(draw: Draw, pitch: tuple[float, float], seconds: tuple[float, float], overtones: float) -> Signal:
    drum = MembraneDrum(
        pitch_hz=_log(draw, "pitch", *pitch),
        glide=_flat(draw, "glide", 0.02, 0.6),
        seconds=_log(draw, "seconds", *seconds),
        overtones=_flat(draw, "overtones", 0.05, overtones),
        beater=_flat(draw, "beater", 0.05, 0.9),
        beater_hz=_log(draw, "beater_hz", 500, 6000),
        air=_flat(draw, "air", 0, 0.2),
        drive=_flat(draw, "drive", 0, 1.5),
        tone_hz=_log(draw, "tone", 1500, 16_000),
    )
    return synthesize_membrane_drum(drum, draw.at("sound"))


def _kick(draw: Draw) -> Signal:
    if _is(draw, "electronic"):
        return _swept(draw, (38, 75), (0.12, 1.2), 6)
    return _membrane(draw, (38, 80), (0.12, 0.7), 0.6)


def _tom(low: float, high: float) -> Callable[[Draw], Signal]:
    def synthesize(draw: Draw) -> Signal:
        if _is(draw, "electronic"):
            return _swept(draw, (low, high), (0.2, 1.0), 2.2)
        return _membrane(draw, (low, high), (0.25, 1.0), 0.9)

    return synthesize


def _snare(draw: Draw) -> Signal:
    if _is(draw, "electronic"):
        circuit = CircuitSnare(
            pitch_hz=_log(draw, "pitch", 130, 320),
            second=_flat(draw, "second", 1.4, 2.2),
            second_level=_flat(draw, "second_level", 0, 1),
            bend=_flat(draw, "bend", 0, 1.2),
            seconds=_log(draw, "seconds", 0.06, 0.35),
            noise=_flat(draw, "noise", 0.25, 1.6),
            noise_hz=_log(draw, "noise_hz", 500, 4000),
            noise_seconds=_log(draw, "noise_seconds", 0.08, 0.6),
            drive=_flat(draw, "drive", 0, 2),
            tone_hz=_log(draw, "tone", 5000, 18_000),
        )
        return synthesize_circuit_snare(circuit, draw.at("sound"))
    wire = WireSnare(
        pitch_hz=_log(draw, "pitch", 130, 330),
        glide=_flat(draw, "glide", 0, 0.3),
        seconds=_log(draw, "seconds", 0.08, 0.5),
        overtones=_flat(draw, "overtones", 0.1, 1.2),
        wires=_flat(draw, "wires", 0.25, 1.3),
        wires_hz=_log(draw, "wires_hz", 1500, 6500),
        wires_seconds=_log(draw, "wires_seconds", 0.08, 0.6),
        stick=_flat(draw, "stick", 0, 0.9),
        drive=_flat(draw, "drive", 0, 1.5),
        tone_hz=_log(draw, "tone", 5000, 18_000),
    )
    return synthesize_wire_snare(wire, draw.at("sound"))


def _metal(draw: Draw, seconds: tuple[float, float], tail: tuple[float, float], floor: tuple[float, float]) -> Signal:
    """Return a hi-hat or a cymbal, electronic or acoustic."""
    if _is(draw, "electronic", 0.4):
        square = SquareCymbal(
            tuning=_log(draw, "tuning", 0.7, 1.6),
            low_hz=_log(draw, "low", 2200, 5000),
            high_hz=_log(draw, "high", 5500, 10_000),
            low_level=_flat(draw, "low_level", 0, 0.8),
            floor_hz=_log(draw, "floor_hz", 2500, 8000),
            seconds=_log(draw, "seconds", *seconds),
            noise=_flat(draw, "noise", 0, 1),
            tail=_flat(draw, "tail", *tail),
        )
        return synthesize_square_cymbal(square, draw.at("sound"))
    plate = PlateCymbal(
        bottom_hz=_log(draw, "bottom", 250, 1500),
        centre_hz=_log(draw, "centre", 4500, 11_000),
        width_octaves=_flat(draw, "width", 0.7, 2.2),
        seconds=_log(draw, "seconds", *seconds),
        stick=_flat(draw, "stick", 0, 1),
        bloom_seconds=0.002,
        noise=_flat(draw, "noise", 0.1, 1.2),
        floor_hz=_log(draw, "floor_hz", *floor),
    )
    return synthesize_plate_cymbal(plate, draw.at("sound"))


def _closed_hat(draw: Draw) -> Signal:
    return _metal(draw, (0.03, 0.2), (0, 0.2), (400, 5000))


def _open_hat(draw: Draw) -> Signal:
    return _metal(draw, (0.3, 0.9), (0.4, 0.8), (300, 4000))


def _pedal_hat(draw: Draw) -> Signal:
    """Return two cymbals that meet: softer and duller than a stroke, with a short splash."""
    sound = low_pass(_metal(draw, (0.05, 0.22), (0, 0.2), (300, 2500)), _log(draw, "dull", 4000, 11_000))
    return sound * rise_envelope(len(sound), _log(draw, "rise", 0.001, 0.008))


def _cymbal(
    seconds: tuple[float, float], bloom: float, bell: float, centre: tuple[float, float]
) -> Callable[[Draw], Signal]:
    def synthesize(draw: Draw) -> Signal:
        plate = PlateCymbal(
            bottom_hz=_log(draw, "bottom", 200, 700),
            centre_hz=_log(draw, "centre", *centre),
            width_octaves=_flat(draw, "width", 1.0, 2.4),
            seconds=_log(draw, "seconds", *seconds),
            stick=_flat(draw, "stick", 0.1, 1),
            bloom_seconds=_log(draw, "bloom", 0.002, max(bloom, 0.0021)),
            noise=_flat(draw, "noise", 0.2, 1.2),
            bell_level=_flat(draw, "bell", 0, bell),
            floor_hz=_log(draw, "floor_hz", 150, 1500),
        )
        return synthesize_plate_cymbal(plate, draw.at("sound"))

    return synthesize


def _clap(draw: Draw) -> Signal:
    """Return several hands a few milliseconds apart, and the room after them; also a snap of one pair of hands."""
    hands = 1 + int(_flat(draw, "hands", 0, 6))
    gap = _log(draw, "gap", 0.005, 0.018)
    seconds = _log(draw, "seconds", 0.08, 0.5)
    frames = seconds_to_frames(0.03 + hands * gap + seconds)
    noise = white_noise(draw.at("noise"), frames)
    envelope = np.zeros(frames)
    burst = decay_envelope(frames, _log(draw, "burst", 0.01, 0.05))
    for hand in range(hands):
        start = seconds_to_frames(hand * gap * _flat(draw.at(hand), "late", 0.8, 1.2)) if hand else 0
        envelope[start:] += burst[: frames - start] * _flat(draw.at(hand), "level", 0.6, 1)
    last = seconds_to_frames(hands * gap)
    envelope[last:] += _flat(draw, "room", 0.15, 0.8) * decay_envelope(frames - last, seconds)
    centre = _log(draw, "centre", 700, 2600)
    body = band_pass(noise, centre, _flat(draw, "q", 0.7, 3))
    return high_pass(low_pass((body + 0.2 * noise) * envelope, _log(draw, "tone", 5000, 16_000)), 0.4 * centre)


def _rim(draw: Draw) -> Signal:
    """Return a short click with one to four resonances: a stick on a rim, or the two oscillators of a machine."""
    modes = 1 + int(_flat(draw, "modes", 0, 4))
    hz = _log(draw, "pitch", 350, 1900) * (1 + np.cumsum(random_uniform(draw.at("ratio"), modes)) * 1.4)
    seconds = _log(draw, "seconds", 0.02, 0.12) * (0.5 + random_uniform(draw.at("loss"), modes))
    frames = seconds_to_frames(0.2)
    body = sum_damped_sines(frames, hz, 0.3 + random_uniform(draw.at("level"), modes), seconds, np.zeros(modes))
    click = high_pass(white_noise(draw.at("click"), frames), 1500) * decay_envelope(
        frames, _log(draw, "snap", 0.004, 0.03)
    )
    sound = normalize_peak(body) + _flat(draw, "click_level", 0.1, 1) * normalize_peak(click)
    return saturate(normalize_peak(sound), _flat(draw, "drive", 0, 2))


def _cowbell(draw: Draw) -> Signal:
    """Return two square waves a fifth apart through a band-pass, or a struck bell of metal."""
    seconds = _log(draw, "seconds", 0.08, 0.8)
    frames = seconds_to_frames(1.1 * seconds)
    pitch, ratio = _log(draw, "pitch", 420, 1100), _flat(draw, "ratio", 1.35, 1.6)
    if _is(draw, "electronic"):
        time = time_axis(frames)
        squares = sum(np.tanh(6 * np.sin(2 * np.pi * pitch * each * time)) for each in (1.0, ratio))
        body = band_pass(np.asarray(squares), _log(draw, "centre", 800, 2600), 1.0)
    else:
        ratios = np.array([1.0, ratio, 2.6, 3.5, 4.9, 6.3]) * (1 + 0.08 * (random_uniform(draw.at("tune"), 6) - 0.5))
        level = np.array([1, 0.9, 0.5, 0.4, 0.3, 0.2]) * (0.4 + random_uniform(draw.at("level"), 6))
        body = sum_damped_sines(frames, pitch * ratios, level, seconds / np.sqrt(ratios), np.zeros(6))
    attack = 0.6 * decay_envelope(frames, 0.15 * seconds) + 0.4
    hit = band_pass(white_noise(draw.at("hit"), frames), 3000, 0.7) * decay_envelope(frames, 0.02)
    sound = normalize_peak(body) * attack * decay_envelope(frames, seconds)
    return sound + _flat(draw, "hit_level", 0, 0.4) * normalize_peak(hit)


def _jingles(draw: Draw, frames: int, shape: Signal) -> Signal:
    """Return many small pieces of metal that are shaken with the level ``shape`` [frames]."""
    count = 24
    hz = 4000 + 10_000 * random_uniform(draw.at("hz"), count)
    ring = sum_damped_sines(frames, hz, random_uniform(draw.at("level"), count), np.full(count, 0.25), np.zeros(count))
    rattle = high_pass(white_noise(draw.at("rattle"), frames), _log(draw, "floor", 3500, 8000))
    return (normalize_peak(rattle) + _flat(draw, "ring", 0.2, 1.2) * normalize_peak(ring)) * shape


def _tambourine(draw: Draw) -> Signal:
    """Return a hand on a frame with jingles, which go on for a moment."""
    seconds = _log(draw, "seconds", 0.1, 0.6)
    frames = seconds_to_frames(1.1 * seconds)
    shape = decay_envelope(frames, seconds) * (0.5 + 0.5 * _bounces(draw.at("bounces"), frames))
    hand = band_pass(white_noise(draw.at("hand"), frames), _log(draw, "hand_hz", 250, 900), 1.0)
    thump = normalize_peak(hand * decay_envelope(frames, 0.04))
    return normalize_peak(_jingles(draw, frames, shape)) + _flat(draw, "thump", 0, 0.5) * thump


def _shaker(draw: Draw) -> Signal:
    """Return grains that fall against a wall: noise that swells and fades."""
    seconds = _log(draw, "seconds", 0.04, 0.3)
    frames = seconds_to_frames(0.02 + 1.3 * seconds)
    swell = rise_envelope(frames, _log(draw, "rise", 0.002, 0.04)) * decay_envelope(frames, seconds)
    noise = high_pass(white_noise(draw.at("noise"), frames), _log(draw, "floor", 2000, 7000))
    grains = np.where(random_uniform(draw.at("grains"), frames) < _log(draw, "density", 0.02, 1), 1.0, 0.15)
    return band_pass(noise * grains * swell, _log(draw, "centre", 4000, 11_000), _flat(draw, "q", 0.5, 1.5))


def _bounces(draw: Draw, frames: int) -> Signal:
    """Return a level that shakes at ten to thirty times per second: [frames], 0..1."""
    shaken: Signal = 0.5 + 0.5 * np.cos(2 * np.pi * _flat(draw, "rate", 10, 30) * time_axis(frames))
    return shaken


def _hand_drum(pitch: tuple[float, float], seconds: tuple[float, float]) -> Callable[[Draw], Signal]:
    """Return what synthesises a conga or a bongo: a tight membrane under a hand, open, muted or slapped."""

    def synthesize(draw: Draw) -> Signal:
        is_muted = _is(draw, "muted", 0.35)
        hz, length = _log(draw, "pitch", *pitch), _log(draw, "seconds", *seconds) * (0.25 if is_muted else 1.0)
        frames = seconds_to_frames(0.02 + 1.1 * length)
        glide = 1 + _flat(draw, "glide", 0, 0.12) * np.exp(-time_axis(frames) / 0.02)
        body = sine_oscillator(hz * glide, 0.03) * decay_envelope(frames, length)
        ratios = np.array([1.59, 2.14, 2.3, 2.65, 3.6])
        level = _flat(draw, "overtones", 0.1, 0.8) * random_uniform(draw.at("level"), 5)
        upper = sum_damped_sines(frames, hz * ratios, level, 0.4 * length / ratios, np.zeros(5))
        slap = band_pass(white_noise(draw.at("slap"), frames), _log(draw, "slap_hz", 900, 4500), 0.8)
        hand = normalize_peak(slap * decay_envelope(frames, _log(draw, "slap_seconds", 0.006, 0.04)))
        return (body + upper) * rise_envelope(frames, 0.0005) + _flat(draw, "slap_level", 0.05, 0.9) * hand

    return synthesize


def _clave(draw: Draw) -> Signal:
    """Return a rod of hard wood: a high tone and little else."""
    hz, seconds = _log(draw, "pitch", 1600, 3400), _log(draw, "seconds", 0.03, 0.16)
    frames = seconds_to_frames(1.2 * seconds)
    ratios = np.array([1.0, 2.76, 1.004])
    level = np.array([1.0, _flat(draw, "second", 0, 0.3), _flat(draw, "twin", 0, 0.5)])
    body = sum_damped_sines(frames, hz * ratios, level, np.array([seconds, 0.3 * seconds, seconds]), np.zeros(3))
    click = white_noise(draw.at("click"), frames) * decay_envelope(frames, 0.003)
    return body + _flat(draw, "click_level", 0, 0.25) * normalize_peak(click)


def _other_percussion(draw: Draw) -> Signal:
    """Return a woodblock, an agogo, a triangle, a timbale or a guiro."""
    kind = ("woodblock", "agogo", "triangle", "timbale", "guiro")[int(_flat(draw, "kind", 0, 5))]
    own = draw.at(kind)
    if kind == "timbale":
        return _membrane(own, (220, 480), (0.15, 0.6), 1.2)
    if kind == "guiro":
        frames = seconds_to_frames(_log(own, "seconds", 0.08, 0.45))
        rate = _flat(own, "rate", 30, 90)
        teeth: Signal = np.exp(-12 * np.mod(rate * time_axis(frames), 1.0))
        return band_pass(white_noise(own.at("noise"), frames), _log(own, "centre", 1800, 5000), 1.2) * teeth
    ranges = {
        "woodblock": ((500, 1600), (0.04, 0.18), (1.0, 1.5, 2.4, 3.7)),
        "agogo": ((550, 1300), (0.25, 0.9), (1.0, 2.55, 3.6, 5.1)),
        "triangle": ((1300, 3500), (0.8, 2.5), (1.0, 1.9, 2.83, 4.1)),
    }
    pitch, seconds, ratios = ranges[kind]
    length = _log(own, "seconds", *seconds)
    frames = seconds_to_frames(1.1 * length)
    tuned = np.array(ratios) * (1 + 0.1 * (random_uniform(own.at("tune"), len(ratios)) - 0.5))
    level = random_uniform(own.at("level"), len(ratios)) + np.array([0.8, 0.2, 0.2, 0.1])
    body = sum_damped_sines(frames, _log(own, "pitch", *pitch) * tuned, level, length / tuned, np.zeros(len(ratios)))
    hit = white_noise(own.at("hit"), frames) * decay_envelope(frames, 0.008)
    return normalize_peak(body) + _flat(own, "hit_level", 0, 0.3) * normalize_peak(hit)


RANDOM_DRUMS: Mapping[str, Callable[[Draw], Signal]] = {
    "kick": _kick,
    "snare": _snare,
    "clap": _clap,
    "rim": _rim,
    "hihat/closed": _closed_hat,
    "hihat/open": _open_hat,
    "hihat/pedal": _pedal_hat,
    "tom/low": _tom(60, 105),
    "tom/mid": _tom(95, 150),
    "tom/high": _tom(140, 260),
    "cymbal/crash": _cymbal((0.9, 2.6), 0.03, 0.1, (4500, 9000)),
    "cymbal/ride": _cymbal((0.9, 2.6), 0.003, 0.6, (4000, 9000)),
    "cymbal/splash": _cymbal((0.35, 0.9), 0.012, 0.1, (5000, 10_000)),
    "cymbal/china": _cymbal((0.6, 1.8), 0.03, 0.05, (2500, 6000)),
    "cowbell": _cowbell,
    "tambourine": _tambourine,
    "shaker": _shaker,
    "conga": _hand_drum((150, 320), (0.2, 0.7)),
    "bongo": _hand_drum((280, 620), (0.08, 0.4)),
    "clave": _clave,
    "percussion": _other_percussion,
}
"""What synthesises each leaf of the taxonomy that is a drum: class, or class and subkind."""
