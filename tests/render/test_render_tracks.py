"""The dry tracks agree with simple implementations that work sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio, peak
from rmod_pipeline.render.tracks import (
    change_speed,
    fade_in,
    fade_out,
    mix_layers,
    prepare_one_shot,
    render_backing_loop,
    render_drum_loop,
    scale_to_peak,
)
from rmod_pipeline.spec import Note, Settings
from tests.render.render_examples import RATE, SETTINGS, noise


def settings_of(**changed: float) -> Settings:
    values = {name: getattr(SETTINGS, name) for name in Settings.__slots__}
    return Settings(**{**values, **changed})


def drum_loop_by_hand(one_shot: Audio, notes: list[Note], settings: Settings) -> Audio:
    """Render sample by sample: every frame contains only the last hit that started."""
    length, fade = one_shot.shape[1], settings.truncation_fade_frames
    starts = [int(np.floor(note.tick * settings.frames / settings.grid + 0.5)) for note in notes]
    out = np.zeros((one_shot.shape[0], settings.frames), np.float32)
    for frame in range(settings.frames):
        started = [number for number, start in enumerate(starts) if start <= frame]
        if not started or frame - starts[started[-1]] >= length:
            continue
        current = started[-1]
        age = frame - starts[current]
        sample = one_shot[:, age] * np.float32(((notes[current].velocity + 1) / 128) ** settings.velocity_exponent)
        until_cut = starts[current + 1] - starts[current] if current + 1 < len(notes) else length
        choke = notes[current].end
        if choke is not None and choke < settings.grid:
            choked = int(np.floor(choke * settings.frames / settings.grid + 0.5))
            until_cut = min(until_cut, choked - starts[current]) if choked < settings.frames else until_cut
        if age >= until_cut:
            continue
        steps = min(fade, until_cut)
        if until_cut < length and age >= until_cut - steps:
            ramp = np.linspace(1.0, 0.0, steps, dtype=np.float32)
            sample = sample * ramp[age - (until_cut - steps)]
        out[:, frame] = sample
    return out


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("semitones", [-12.0, -3.7, 0.01, 4.0, 12.0])
def test_a_faster_sound_is_higher_and_shorter_by_the_same_ratio(channels: int, semitones: float) -> None:
    frames, hz, ratio = RATE // 2, 1000.0, 2 ** (semitones / 12)
    sine = np.sin(2 * np.pi * hz * np.arange(frames) / RATE) * np.ones((channels, 1))
    out = change_speed(sine.astype(np.float32), semitones)
    assert out.dtype == np.float32
    assert out.shape[0] == channels
    assert out.shape[1] == pytest.approx(frames / ratio, abs=1)
    expected = np.sin(2 * np.pi * hz * ratio * np.arange(out.shape[1]) / RATE)
    middle = slice(500, -500)  # the resampling filter changes the ends
    assert out[:, middle] == pytest.approx(np.tile(expected[middle], (channels, 1)), abs=1e-3)


def test_at_its_own_speed_a_sound_is_the_same_array() -> None:
    sound = noise(2, 100)
    assert change_speed(sound, 0.0) is sound


@given(st.integers(1, 2), st.integers(1, 50), st.floats(1e-3, 1.0), st.floats(1e-6, 10.0))
def test_scaling_to_a_peak(channels: int, frames: int, target_peak: float, gain: float) -> None:
    sound = noise(channels, frames) * np.float32(gain)
    scaled = scale_to_peak(sound, target_peak)
    assert scaled.dtype == np.float32
    assert peak(scaled) == pytest.approx(target_peak, rel=1e-6)
    assert np.allclose(scaled * peak(sound), sound * peak(scaled), rtol=1e-5)
    assert not scale_to_peak(np.zeros_like(sound), target_peak).any()


@st.composite
def drum_loops(draw: st.DrawFn) -> tuple[Audio, list[Note], Settings]:
    frames, grid = draw(st.integers(1, 400)), draw(st.integers(1, 60))
    ticks = sorted(draw(st.sets(st.integers(0, grid - 1), max_size=min(grid, 8))))
    notes = [
        Note(tick=tick, velocity=draw(st.integers(1, 127)), end=draw(st.none() | st.integers(tick + 1, grid)))
        for tick in ticks
    ]
    one_shot = noise(draw(st.integers(1, 2)), draw(st.integers(1, 300)), seed=draw(st.integers(0, 9)))
    fade = draw(st.sampled_from([0, 0, 1, 5, 30]))
    exponent = draw(st.sampled_from([1.0, 1.0, 2.0, 0.5]))
    settings = settings_of(frames=frames, grid=grid, truncation_fade_frames=fade, velocity_exponent=exponent)
    return one_shot, notes, settings


@given(drum_loops())
def test_a_drum_loop_equals_the_one_rendered_sample_by_sample(example: tuple[Audio, list[Note], Settings]) -> None:
    one_shot, notes, settings = example
    assert np.array_equal(render_drum_loop(one_shot, notes, settings), drum_loop_by_hand(one_shot, notes, settings))


@given(st.integers(0, 1919))
def test_an_onset_is_the_nearest_frame_of_its_grid_point(tick: int) -> None:
    onset = int(np.floor(tick * 91.875 + 0.5))
    assert SETTINGS.onset(tick) == onset
    loop = render_drum_loop(np.ones((1, 10), np.float32), [Note(tick=tick, velocity=127)], SETTINGS)
    assert np.flatnonzero(loop[0])[0] == onset


@given(st.integers(1, 127))
def test_the_amplitude_of_a_hit_is_its_velocity_and_one_over_128(velocity: int) -> None:
    loop = render_drum_loop(np.ones((1, 10), np.float32), [Note(tick=0, velocity=velocity)], SETTINGS)
    assert loop[0, 0] == np.float32((velocity + 1) / 128)


def test_a_choked_hit_ends_at_its_end() -> None:
    one_shot = np.ones((1, RATE), np.float32)
    loop = render_drum_loop(one_shot, [Note(tick=0, velocity=127, end=48), Note(tick=960, velocity=127)], SETTINGS)[0]
    assert np.flatnonzero(loop)[[0, SETTINGS.onset(48) - 1]].tolist() == [0, SETTINGS.onset(48) - 1]
    assert not loop[SETTINGS.onset(48) : SETTINGS.onset(960)].any()
    assert loop[SETTINGS.onset(960) :][: RATE // 2].all()


def test_without_a_fade_the_cut_is_hard() -> None:
    one_shot = np.ones((1, RATE), np.float32)
    notes = [Note(tick=0, velocity=127), Note(tick=100, velocity=63)]
    loop = render_drum_loop(one_shot, notes, SETTINGS)[0]
    second = SETTINGS.onset(100)
    assert loop[second - 1] == 1.0
    assert loop[second] == 0.5
    assert loop[second + RATE - 1] == 0.5
    assert loop[second + RATE] == 0.0


def test_a_fade_ends_in_silence_at_the_cut() -> None:
    one_shot = np.ones((1, RATE), np.float32)
    notes = [Note(tick=0, velocity=127), Note(tick=100, velocity=127)]
    loop = render_drum_loop(one_shot, notes, settings_of(truncation_fade_frames=50))[0]
    second = SETTINGS.onset(100)
    assert loop[second - 1] == 0.0
    assert np.all(np.diff(loop[second - 50 : second]) < 0)
    assert np.all(loop[: second - 50] == 1.0)
    assert np.all(loop[second : second + RATE] == 1.0)


def test_no_notes_are_silence() -> None:
    assert not render_drum_loop(noise(2, 100), [], SETTINGS).any()


def test_the_one_shot_is_not_changed() -> None:
    one_shot = noise(1, RATE)
    notes = [Note(tick=0, velocity=9), Note(tick=3, velocity=99)]
    render_drum_loop(one_shot, notes, settings_of(truncation_fade_frames=50))
    assert np.array_equal(one_shot, noise(1, RATE))


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(1, 200)), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.1, 0.2, 0.5, 1.0]), min_size=4, max_size=4),
)
def test_layers_are_a_weighted_sum_as_long_as_the_longest(shapes: list[tuple[int, int]], weights: list[float]) -> None:
    sounds = [noise(channels, frames, seed=seed) for seed, (channels, frames) in enumerate(shapes)]
    total = mix_layers(sounds, weights[: len(sounds)])
    assert total.shape == (max(c for c, _ in shapes), max(f for _, f in shapes))
    for channel in range(total.shape[0]):
        for frame in range(0, total.shape[1], 7):
            expected = sum(
                weight * float(sound[min(channel, sound.shape[0] - 1), frame])
                for sound, weight in zip(sounds, weights, strict=False)
                if frame < sound.shape[1]
            )
            assert total[channel, frame] == pytest.approx(expected, abs=1e-6)


@given(st.integers(1, 2), st.integers(1, 300), st.floats(1e-4, 50))
def test_a_one_shot_peaks_at_full_scale_whatever_its_level(channels: int, frames: int, gain: float) -> None:
    prepared = prepare_one_shot(noise(channels, frames, gain), SETTINGS)
    assert peak(prepared) == pytest.approx(1.0, abs=1e-6)
    assert prepared.shape == (channels, frames)


def test_layered_one_shots_stay_within_full_scale() -> None:
    sounds = [prepare_one_shot(noise(2, 500, seed=seed), SETTINGS) for seed in range(2)]
    sounds[1] = sounds[0]  # the worst case: both peak at once
    assert peak(mix_layers(sounds, (0.7, 0.3))) <= 1.0 + 1e-6


def test_a_long_one_shot_is_cut_and_faded_and_a_short_one_is_not() -> None:
    ones = np.ones((1, 3 * RATE), np.float32)
    cut = prepare_one_shot(ones, SETTINGS)
    assert cut.shape == (1, 2 * RATE)
    assert cut[0, -1] == 0.0
    assert np.all(np.diff(cut[0, -441:]) < 0)
    assert np.all(cut[0, :-441] == 1.0)
    assert np.all(prepare_one_shot(ones[:, : 2 * RATE], SETTINGS) == 1.0)


def test_the_peak_is_that_of_the_cut_sound() -> None:
    sound = np.full((1, 3 * RATE), 0.25, np.float32)
    sound[0, -1] = 1.0
    assert prepare_one_shot(sound, SETTINGS)[0, 0] == 1.0


@pytest.mark.parametrize(("level_db", "expected"), [(-20, 1.0), (-39, 1.0), (-41, 0.0), (-59, 0.0)])
def test_noise_before_a_hit_that_is_cut_off_does_not_become_the_sound(level_db: float, expected: float) -> None:
    sound = noise(2, 3 * RATE)
    sound *= np.float32(10 ** (level_db / 20) / peak(sound[:, : 2 * RATE]))
    sound[0, -1000:] = 1.0
    assert peak(prepare_one_shot(sound, SETTINGS)) == pytest.approx(expected)


def test_a_silent_one_shot_stays_silent() -> None:
    silent = prepare_one_shot(np.zeros((2, 100), np.float32), SETTINGS)
    assert silent.shape == (2, 100)
    assert not silent.any()


@given(st.integers(1, 2), st.integers(1, 900), st.integers(1, 900), st.integers(1, 900), st.sampled_from([0, 0, 3, 50]))
def test_a_backing_loop_is_cut_or_padded_and_repeated(
    channels: int, length: int, period: int, frames: int, fade: int
) -> None:
    sound = noise(channels, length)
    track = render_backing_loop(sound, period, settings_of(frames=frames, loop_fade_frames=fade))
    assert track.shape == (channels, frames)
    repetition = np.zeros((channels, period), np.float32)
    for frame in range(min(period, length)):
        repetition[:, frame] = sound[:, frame]
    steps = min(fade, period)
    for step in range(steps):
        repetition[:, step] *= np.linspace(0, 1, steps, dtype=np.float32)[step]
    for step in range(steps):
        repetition[:, period - steps + step] *= np.linspace(1, 0, steps, dtype=np.float32)[step]
    for frame in range(frames):
        assert np.array_equal(track[:, frame], repetition[:, frame % period])
    assert np.array_equal(sound, noise(channels, length))


def test_two_seconds_repeat_exactly() -> None:
    track = render_backing_loop(noise(2, 8 * RATE), 2 * RATE, SETTINGS)
    assert np.array_equal(track[:, : 2 * RATE], track[:, 2 * RATE :])
    assert np.array_equal(track[:, : 2 * RATE], noise(2, 8 * RATE)[:, : 2 * RATE])


@given(st.integers(0, 50), st.integers(0, 50))
def test_a_fade_is_never_longer_than_the_sound(frames: int, fade: int) -> None:
    for change in (fade_in, fade_out):
        audio = np.ones((1, frames), np.float32)
        change(audio, fade)
        assert np.count_nonzero(audio == 1.0) >= frames - fade
        assert np.all((audio >= 0) & (audio <= 1))
