"""The models of synthesis: noise, tuning, formants and their sources."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import SAMPLE_RATE, Signal, midi_to_hz, random_uniform, sum_damped_sines, white_noise
from rmod_pipeline.synthesis.loops import _add_sound
from rmod_pipeline.synthesis.singing import VOWELS, Singer, Syllable, sing
from rmod_pipeline.synthesis.strings import (
    Pluck,
    PluckedString,
    synthesize_analogue_bass,
    synthesize_piano_note,
    synthesize_plucked_bass,
    synthesize_plucked_string,
    synthesize_sub_bass,
)


def test_random_numbers_follow_splitmix64() -> None:
    draw = Draw.of("noise")
    mask = 2**64 - 1
    state, expected = draw.bits(1)[0], []
    for _ in range(5):
        state = (state + 0x9E3779B97F4A7C15) & mask
        word = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & mask
        expected.append(((word ^ (word >> 31)) >> 11) * 2.0**-53)
    assert random_uniform(draw, 5).tolist() == expected


def test_noise_is_white_and_of_unit_variance() -> None:
    noise = white_noise(Draw.of("noise"), 100_000)
    assert abs(noise.mean()) < 0.02
    assert noise.var() == pytest.approx(1.0, abs=0.02)
    assert abs(np.mean(noise[1:] * noise[:-1])) < 0.02


def test_the_matrix_product_equals_the_sum_of_sines() -> None:
    hz, level, seconds, start = (np.array(x) for x in ([100.0, 333.3], [1.0, 0.5], [0.5, 0.2], [0.0, 0.3]))
    time = np.arange(5000) / SAMPLE_RATE
    direct = sum(
        a * np.exp(-np.log(1000) / s * time) * np.sin(2 * np.pi * (f * time + p))
        for f, a, s, p in zip(hz, level, seconds, start, strict=True)
    )
    np.testing.assert_allclose(sum_damped_sines(5000, hz, level, seconds, start), direct, atol=1e-10)


@pytest.mark.parametrize("hz", [82.41, 110.0, 196.0, 329.63, 659.26])
def test_a_plucked_string_is_in_tune(hz: float) -> None:
    sound = synthesize_plucked_string(hz, SAMPLE_RATE, [Pluck(frame=0, level=1.0)], PluckedString(), Draw.of("string"))
    assert 1200 * abs(np.log2(find_loudest_partial(sound, hz) / hz)) < 4.0


def test_basses_are_in_tune() -> None:
    hz = midi_to_hz(33)
    notes = (
        synthesize_plucked_bass(33, 1.0, 0.8, 900.0, Draw.of("bass")),
        synthesize_analogue_bass(33, 1.0, 0.8, 420.0),
        synthesize_sub_bass(33, 1.0, 0.8, 1.5),
    )
    assert all(abs(1200 * np.log2(find_loudest_partial(note, hz) / hz)) < 8.0 for note in notes)


def test_partials_of_a_piano_are_stretched() -> None:
    sound = synthesize_piano_note(45, 2.0, 0.8, Draw.of("piano"))
    assert find_loudest_partial(sound, 10 * 110.0) > 10 * 110.0 * 1.004


def find_loudest_partial(sound: Signal, hz: float) -> float:
    """Return the frequency in Hz of the loudest partial within half a semitone, by parabolic interpolation."""
    size = 1 << 18
    power = np.log(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size)) + 1e-12)
    low, high = (int(hz * factor * size / SAMPLE_RATE) for factor in (0.97, 1.03))
    index = low + int(np.argmax(power[low:high]))
    before, top, after = power[index - 1 : index + 2]
    return float((index + 0.5 * (before - after) / (before - 2 * top + after)) * SAMPLE_RATE / size)


@pytest.mark.parametrize("vowel", ["a", "e", "i", "o"])
def test_vowels_have_their_measured_formants(vowel: str) -> None:
    """The spectral envelope of a low voice without vibrato has its peaks near the first two formants."""
    note = Syllable(start=0, stop=SAMPLE_RATE, pitch=40, level=0.8, consonant="", vowel=vowel)
    sound = sing(SAMPLE_RATE, [note], Singer(tract=1.0, breath=0.0, vibrato_cents=0.0), Draw.of("voice"))
    spectrum = np.abs(np.fft.rfft(sound[SAMPLE_RATE // 4 : SAMPLE_RATE // 4 + 16384] * np.hanning(16384)))
    pitch = 82.4
    hz = np.arange(1, 40) * pitch
    envelope = np.array(
        [spectrum[int((f - 40) / SAMPLE_RATE * 16384) : int((f + 40) / SAMPLE_RATE * 16384)].max() for f in hz]
    )
    # The source falls by about 6 dB per octave at the lips; compensated for that, formants are peaks.
    flat = envelope * hz
    peaks = [
        f for before, f, after, h in zip(flat, hz[1:], flat[2:], flat[1:], strict=False) if h > before and h >= after
    ]
    for formant in VOWELS[vowel][:2]:
        assert min(abs(peak - formant) for peak in peaks) < 1.2 * pitch, (vowel, peaks)


def test_every_model_cites_its_source() -> None:
    """The docstring of each model cites a publication by its year or chapter."""
    from rmod_pipeline.synthesis import cymbals, kicks, singing, snares, strings

    models = (
        kicks.synthesize_swept_drum,
        kicks.synthesize_membrane_drum,
        snares.synthesize_circuit_snare,
        snares.synthesize_wire_snare,
        cymbals.synthesize_square_cymbal,
        cymbals.synthesize_plate_cymbal,
        strings.synthesize_plucked_string,
        strings.synthesize_piano_note,
        strings.synthesize_electric_piano_note,
        singing.sing,
    )
    assert all(re.search(r"(19|20)\d\d|chapter", model.__doc__ or "") for model in models)


def test_a_sound_that_is_longer_than_its_track_fades_at_the_end() -> None:
    track, sound = np.zeros(SAMPLE_RATE), np.ones(SAMPLE_RATE)
    _add_sound(track, sound, SAMPLE_RATE // 2)
    assert not track[: SAMPLE_RATE // 2].any()
    assert track[SAMPLE_RATE // 2] == 1
    assert abs(track[-1]) < 1e-3
    assert np.abs(np.diff(track[SAMPLE_RATE // 2 :])).max() < 0.01
