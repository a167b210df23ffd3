"""Log-mel spectrograms: where a sound is heard in them, and that their bytes depend on nothing else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.features import LogMel
from rmod_pipeline.features.log_mel import FORMAT

RATES = (22_050, 44_100, 48_000)
FRAMES = 20


def noise(mel: LogMel, frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """Return white noise [frames * hop] float32."""
    return (0.1 * np.random.default_rng(seed).standard_normal(frames * mel.hop)).astype(np.float32)


def sine(mel: LogMel, hertz: float, frames: int = FRAMES) -> np.ndarray:
    """Return a full-scale sine [frames * hop] float32."""
    return np.sin(2 * np.pi * hertz * np.arange(frames * mel.hop) / mel.sample_rate).astype(np.float32)


def band_centres(mel: LogMel) -> np.ndarray:
    """Return the centre of every band in Hz: [bands]."""
    import librosa

    highest = min(mel.highest_hz, mel.sample_rate / 2)
    return np.asarray(librosa.mel_frequencies(mel.bands + 2, fmin=mel.lowest_hz, fmax=highest)[1:-1])


@settings(max_examples=25)
@given(rate=st.sampled_from(RATES), place=st.floats(0.05, 0.9))
def test_a_sine_is_loudest_in_the_band_of_its_frequency(rate: int, place: float) -> None:
    mel = LogMel(sample_rate=rate)
    centres = band_centres(mel)
    hertz = float(np.interp(place * (len(centres) - 1), np.arange(len(centres)), centres))
    levels = mel.compute(sine(mel, hertz))
    for window in levels:
        loudest = int(window[:, FRAMES // 2].argmax())
        assert abs(loudest - place * (len(centres) - 1)) <= 1


def test_a_full_scale_sine_has_about_the_level_zero() -> None:
    mel = LogMel()
    levels = mel.to_decibels(mel.compute(sine(mel, float(band_centres(mel)[30]))))
    assert levels.dtype == np.float32
    assert np.all(np.abs(levels[:, :, FRAMES // 2].max(axis=1)) < 6)


def test_silence_is_zero_everywhere() -> None:
    mel = LogMel()
    assert not mel.compute(np.zeros(FRAMES * mel.hop, np.float32)).any()


@settings(max_examples=25)
@given(frame=st.integers(0, FRAMES - 1), rate=st.sampled_from(RATES))
def test_a_click_in_the_middle_of_a_frame_peaks_in_that_frame(frame: int, rate: int) -> None:
    """So frame t of the features describes the samples of token frame t."""
    mel = LogMel(sample_rate=rate)
    audio = np.zeros(FRAMES * mel.hop, np.float32)
    audio[frame * mel.hop + mel.hop // 2] = 1
    for window in mel.compute(audio):
        energy = window.astype(int).sum(axis=0)
        assert energy[frame] == energy.max()
        # Symmetric: as loud so many frames before as after it.
        reach = min(frame, FRAMES - 1 - frame)
        before, after = energy[frame - reach : frame][::-1], energy[frame + 1 : frame + 1 + reach]
        assert np.all(np.abs(before - after) <= mel.bands)


@settings(max_examples=25)
@given(frames=st.integers(0, 30))
def test_the_number_of_frames_is_the_length_over_the_hop(frames: int) -> None:
    mel = LogMel()
    assert mel.compute(noise(mel, frames)).shape == (len(mel.windows), mel.bands, frames)
    assert mel.compute(noise(mel, frames)).dtype == np.uint8


@pytest.mark.parametrize("extra", [1, 511])
def test_another_length_is_refused(extra: int) -> None:
    with pytest.raises(ValueError, match="multiple of the hop"):
        LogMel().compute(np.zeros(512 + extra, np.float32))


@settings(max_examples=25)
@given(seed=st.integers(0, 100), start=st.integers(0, 10))
def test_a_frame_depends_on_the_samples_around_it_only(seed: int, start: int) -> None:
    """So the levels are the same whatever else is computed with them."""
    mel = LogMel()
    audio = noise(mel, 30, seed)
    reach = -(-max(mel.windows) // (2 * mel.hop)) + 1
    part = mel.compute(audio[start * mel.hop : (start + 20) * mel.hop])
    whole = mel.compute(audio)[:, :, start : start + 20]
    np.testing.assert_array_equal(part[:, :, reach:-reach], whole[:, :, reach:-reach])


@settings(max_examples=25)
@given(seed=st.integers(0, 100), gain_db=st.floats(0.5, 30))
def test_louder_sound_has_no_lower_level(seed: int, gain_db: float) -> None:
    mel = LogMel()
    quiet = noise(mel, seed=seed) * np.float32(0.01)
    louder = quiet * np.float32(10 ** (gain_db / 20))
    difference = mel.compute(louder).astype(int) - mel.compute(quiet)
    steps = gain_db / mel.step_db
    assert np.all(difference >= 0)
    assert np.all(np.abs(difference[mel.compute(quiet) > 0] - steps) <= 1)


def test_the_bytes_do_not_depend_on_the_memory_of_the_audio() -> None:
    mel = LogMel()
    audio = noise(mel)
    strided = np.repeat(audio, 2)[::2]
    np.testing.assert_array_equal(mel.compute(audio), mel.compute(strided))


def test_a_definition_survives_its_json_and_names_its_content() -> None:
    mel = LogMel(sample_rate=22_050, bands=32)
    read = LogMel.from_dict(json.loads(json.dumps(mel.to_dict())))
    assert read == mel
    assert read.name == mel.name != LogMel().name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "log-mel-99"}, f"format is not {FORMAT}"),
        ({"bands": "64"}, "bands is '64'"),
        ({"colour": 1}, "colour is unknown"),
        ({"windows": ["wide"]}, "not all positive whole numbers"),
        ({"windows": []}, "not all positive whole numbers"),
        ({"windows": 5}, "windows is 5"),
        ({"hop": 0}, "not all positive whole numbers"),
    ],
)
def test_another_definition_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LogMel.from_dict({**LogMel().to_dict(), **changes})
