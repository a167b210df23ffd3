"""Every effect is compared with formulas from the literature."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmod_pipeline.audio import Audio, db_to_gain, gain_to_db, peak, rms
from rmod_pipeline.effects import Effect
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.crossover import Crossover
from rmod_pipeline.effects.decay import Decay
from rmod_pipeline.effects.delay import Delay
from rmod_pipeline.effects.drive import Drive
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.level_gain import LevelGain, compute_gain_db
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.pan import LAWS, Pan, pan_gains
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.effects.transient import SLOW_SECONDS, Transient, compute_share
from rmod_pipeline.effects.width import Width
from tests.effects.effect_examples import SAMPLE_RATE, apply_effect, every_engine, impulse, noise, sine

engines = every_engine()


def apply(engine: str, effect: Effect, audio: Audio) -> Audio:
    return apply_effect(engine, effect, audio)


def response_db(engine: str, effect: Effect, hz: np.ndarray) -> np.ndarray:
    """Return the gain in dB of a linear effect at frequencies in Hz, from its impulse response."""
    response = apply(engine, effect, impulse())[0].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(response))
    return np.asarray(20 * np.log10(spectrum[np.rint(hz * len(response) / SAMPLE_RATE).astype(int)]))


def rbj_db(band: Band, hz: np.ndarray) -> np.ndarray:
    """Return the gain in dB of a second-order filter after Robert Bristow-Johnson's audio EQ cookbook."""
    amplitude = 10 ** (band.gain_db / 40)
    omega = 2 * math.pi * band.hz / SAMPLE_RATE
    cosine, alpha = math.cos(omega), math.sin(omega) / (2 * band.q)
    shelf_slope = 2 * math.sqrt(amplitude) * alpha
    sign = 1 if band.shape == "low_shelf" else -1
    up, down = amplitude + 1, amplitude - 1
    if band.shape == "peak":
        numerator = [1 + alpha * amplitude, -2 * cosine, 1 - alpha * amplitude]
        denominator = [1 + alpha / amplitude, -2 * cosine, 1 - alpha / amplitude]
    else:
        signed_cosine = sign * cosine
        numerator = [
            amplitude * (up - down * signed_cosine + shelf_slope),
            sign * 2 * amplitude * (down - up * signed_cosine),
            amplitude * (up - down * signed_cosine - shelf_slope),
        ]
        denominator = [
            up + down * signed_cosine + shelf_slope,
            sign * -2 * (down + up * signed_cosine),
            up + down * signed_cosine - shelf_slope,
        ]
    z = np.exp(-2j * np.pi * hz / SAMPLE_RATE)
    return 20 * np.log10(np.abs(np.polyval(numerator[::-1], z) / np.polyval(denominator[::-1], z)))


HZ = np.array([30, 60, 100, 200, 500, 1000, 2000, 5000, 10_000, 18_000])


@engines
@pytest.mark.parametrize("shape", ["peak", "low_shelf", "high_shelf"])
@pytest.mark.parametrize(("hz", "gain_db", "q"), [(100.0, 6.0, 0.707), (1000.0, -12.0, 3.0), (6000.0, 15.0, 0.3)])
def test_a_band_has_the_response_of_the_cookbook(engine: str, shape: str, hz: float, gain_db: float, q: float) -> None:
    band = Band(shape=shape, hz=hz, gain_db=gain_db, q=q)
    assert response_db(engine, Equalizer(bands=(band,)), HZ) == pytest.approx(rbj_db(band, HZ), abs=0.02)


@engines
def test_the_centre_of_a_peak_has_its_gain(engine: str) -> None:
    band = Band(shape="peak", hz=1000.0, gain_db=-7.5, q=4.0)
    assert response_db(engine, Equalizer(bands=(band,)), np.array([1000])) == pytest.approx(-7.5, abs=0.01)


@engines
def test_bands_add_up(engine: str) -> None:
    bands = (
        Band(shape="low_shelf", hz=80.0, gain_db=-3.0, q=0.707),
        Band(shape="peak", hz=3000.0, gain_db=4.0, q=2.0),
    )
    together = sum(rbj_db(band, HZ) for band in bands)
    assert response_db(engine, Equalizer(bands=bands), HZ) == pytest.approx(together, abs=0.02)


@engines
@pytest.mark.parametrize(("passes", "stopped"), [("high", 200.0), ("low", 20_000.0)])
def test_a_filter_attenuates_by_3_db_at_its_corner(engine: str, passes: str, stopped: float) -> None:
    corner = 2000.0
    passed = 200.0 if passes == "low" else 20_000.0
    gains = response_db(engine, Filter(passes=passes, hz=corner), np.array([corner, passed, stopped]))
    assert gains[0] == pytest.approx(-3.01, abs=0.05)
    assert gains[1] == pytest.approx(0, abs=0.1)
    assert gains[2] < -19


def both_bands(engine: str, hz: float, audio: Audio) -> Audio:
    """Return the sum of the low and the high band of audio [channels, frames]."""
    return sum((apply(engine, Crossover(passes=band, hz=hz), audio) for band in ("low", "high")), np.zeros_like(audio))


@engines
@pytest.mark.parametrize("hz", [30.0, 400.0, 4000.0, 18_000.0])
def test_the_bands_of_a_crossover_add_up_to_an_all_pass(engine: str, hz: float) -> None:
    spectrum = np.abs(np.fft.rfft(both_bands(engine, hz, impulse())[0].astype(np.float64)))
    assert 20 * np.log10(spectrum) == pytest.approx(np.zeros(len(spectrum)), abs=0.01)
    stereo = np.pad(noise(2), ((0, 0), (0, SAMPLE_RATE)))
    assert rms(both_bands(engine, hz, stereo)) == pytest.approx(rms(stereo), rel=1e-3)


@engines
@pytest.mark.parametrize("hz", [100.0, 1000.0, 5000.0])
def test_a_crossover_has_the_response_of_linkwitz_and_riley(engine: str, hz: float) -> None:
    # The bilinear transform warps frequencies. 24 dB per octave are the fourth power of the frequency.
    warped = np.tan(np.pi * HZ / SAMPLE_RATE) / math.tan(math.pi * hz / SAMPLE_RATE)
    low, high = (response_db(engine, Crossover(passes=band, hz=hz), HZ) for band in ("low", "high"))
    audible = -20 * np.log10(1 + warped**4) > -100
    assert low[audible] == pytest.approx(-20 * np.log10(1 + warped[audible] ** 4), abs=0.02)
    audible = -20 * np.log10(1 + warped**-4.0) > -100
    assert high[audible] == pytest.approx(-20 * np.log10(1 + warped[audible] ** -4.0), abs=0.02)


@engines
@pytest.mark.parametrize("drive_db", [-40.0, 0.0, 12.0, 60.0])
def test_a_drive_follows_its_curve(engine: str, drive_db: float) -> None:
    level, gain = np.linspace(-1, 1, 4001), 10 ** (drive_db / 20)
    expected = level * math.sqrt(1 + gain**2) / np.sqrt(1 + (gain * level) ** 2)
    driven = apply(engine, Drive(drive_db=drive_db), level.astype(np.float32)[None])[0]
    assert driven == pytest.approx(expected, abs=1e-6)
    # Full scale stays full scale, the curve is odd, and it never falls.
    assert driven[[0, -1]] == pytest.approx([-1, 1], abs=1e-6)
    assert np.array_equal(driven, -driven[::-1])
    assert (np.diff(driven) >= 0).all()


@engines
def test_a_drive_has_no_memory_and_adds_odd_harmonics_alone(engine: str) -> None:
    effect = Drive(drive_db=20.0)
    order = np.random.default_rng(0).permutation(noise(2).shape[1])
    assert np.array_equal(apply(engine, effect, noise(2)[:, order]), apply(engine, effect, noise(2))[:, order])
    spectrum = np.abs(np.fft.rfft(apply(engine, effect, sine(100))[0].astype(np.float64)))
    harmonics = spectrum[100:1000:100] / spectrum[100]
    assert (harmonics[[2, 4, 6]] > 0.05).all()
    assert (harmonics[1::2] < 1e-4).all()
    assert spectrum[0] < 1e-4 * spectrum[100]


@engines
def test_a_transient_shaper_follows_its_formula_on_a_step(engine: str) -> None:
    # On a step from silence the slow envelope is 1 - exp(-t / T), and the fast one is 1 at once.
    frames = SAMPLE_RATE // 2
    time = np.arange(1, frames + 1) / SAMPLE_RATE
    out = apply(engine, Transient(attack_db=10.0, sustain_db=-5.0), np.ones((2, frames), np.float32))
    gain_db = 20 * np.log10(out[0].astype(np.float64))
    after = time > 0.01
    assert gain_db[after] == pytest.approx(10 * np.exp(-time[after] / SLOW_SECONDS), abs=0.02)
    assert 9 < gain_db[0] < 10
    assert np.array_equal(*out)


@engines
def test_a_transient_shaper_does_not_change_a_steady_sound_or_without_gains(engine: str) -> None:
    steady = np.sign(sine(100.3, seconds=2.0))
    late = slice(SAMPLE_RATE, None)
    out = apply(engine, Transient(attack_db=24.0, sustain_db=-24.0), steady)
    assert out[:, late] == pytest.approx(steady[:, late], abs=1e-3)
    assert np.array_equal(apply(engine, Transient(attack_db=0.0, sustain_db=0.0), noise(2)), noise(2))


@engines
def test_a_transient_shaper_shapes_attack_and_sustain_at_every_level(engine: str) -> None:
    hit = apply(engine, Decay(seconds=0.3), noise(1, SAMPLE_RATE))
    attack, sustain = slice(0, SAMPLE_RATE // 100), slice(SAMPLE_RATE // 10, SAMPLE_RATE // 5)

    def gains_db(attack_db: float, sustain_db: float, level: float = 1.0) -> list[float]:
        quiet = hit * np.float32(level)
        out = apply(engine, Transient(attack_db=attack_db, sustain_db=sustain_db), quiet)
        return [gain_to_db(rms(out[:, part]) / rms(quiet[:, part])) for part in (attack, sustain)]

    harder, longer = gains_db(9.0, 0.0), gains_db(0.0, 6.0)
    assert 6 < harder[0] < 9
    assert harder[1] == pytest.approx(0, abs=0.1)
    assert longer[0] == pytest.approx(0, abs=0.2)
    assert 2 < longer[1] < 6
    assert gains_db(9.0, 6.0, level=0.01) == pytest.approx(gains_db(9.0, 6.0), abs=1e-3)
    assert np.abs(compute_share(hit, SAMPLE_RATE)).max() <= 1


@engines
@pytest.mark.parametrize(
    ("threshold_db", "ratio", "level_db"), [(-20.0, 4.0, -6.0), (-40.0, 2.0, -10.0), (-30.0, 10.0, 0.0)]
)
def test_a_compressor_has_its_static_curve(engine: str, threshold_db: float, ratio: float, level_db: float) -> None:
    # The level of a square wave is constant, so after a while the output is on the static curve.
    effect = Compressor(threshold_db=threshold_db, ratio=ratio, attack_ms=1.0, release_ms=10.0)
    square = np.sign(sine(100.3)) * np.float32(db_to_gain(level_db))
    out = apply(engine, effect, square)
    expected = threshold_db + (level_db - threshold_db) / ratio
    assert gain_to_db(rms(out[:, SAMPLE_RATE // 2 :])) == pytest.approx(expected, abs=0.1)


@engines
def test_a_compressor_does_not_change_audio_below_its_threshold(engine: str) -> None:
    effect = Compressor(threshold_db=-20.0, ratio=10.0, attack_ms=1.0, release_ms=100.0)
    quiet = sine(1000, db_to_gain(-26))
    assert apply(engine, effect, quiet) == pytest.approx(quiet, abs=1e-6)


@engines
def test_a_compressor_treats_every_channel_separately(engine: str) -> None:
    effect = Compressor(threshold_db=-20.0, ratio=10.0, attack_ms=1.0, release_ms=100.0)
    loud, quiet = sine(200), sine(300, db_to_gain(-26))
    both = apply(engine, effect, np.concatenate([loud, quiet]))
    assert np.array_equal(both[:1], apply(engine, effect, loud))
    assert np.array_equal(both[1:], apply(engine, effect, quiet))


@engines
@pytest.mark.parametrize("gain_db", [-20, 0, 12, 30])
@pytest.mark.parametrize("threshold_db", [-20.0, -1.0, 0.0])
def test_a_limiter_never_exceeds_full_scale(engine: str, gain_db: float, threshold_db: float) -> None:
    loud = noise(2) * np.float32(db_to_gain(gain_db))
    assert peak(apply(engine, Limiter(threshold_db=threshold_db, release_ms=2.0), loud)) <= 1.0


@engines
def test_a_limiter_maximises_loudness(engine: str) -> None:
    quiet = sine(1000, db_to_gain(-30))
    raised = [
        rms(apply(engine, Limiter(threshold_db=threshold_db, release_ms=100.0), quiet)) / rms(quiet)
        for threshold_db in (-1.0, -10.0)
    ]
    assert 1 < raised[0] < raised[1]


@engines
@pytest.mark.parametrize("seconds", [0.01, 0.25, 0.4])
def test_echoes_come_after_their_time_and_fall_by_the_feedback(engine: str, seconds: float) -> None:
    response = apply(engine, Delay(seconds=seconds, feedback=0.5), impulse())[0]
    first = int(np.argmax(response))
    # Rounded to a whole sample, either down or to nearest.
    assert first == pytest.approx(seconds * SAMPLE_RATE, abs=1)
    assert not response[:first].any()
    assert response[first] == pytest.approx(1, abs=1e-4)
    assert response[2 * first] == pytest.approx(0.5, abs=1e-4)


@engines
def test_a_reverb_has_no_direct_sound_and_rings_longer_in_a_larger_room(engine: str) -> None:
    def tail(room: float, damping: float = 0.5, width: float = 1.0) -> Audio:
        return apply(engine, Reverb(room=room, damping=damping, width=width), impulse(2 * SAMPLE_RATE))

    assert tail(0.5).shape[0] == 2
    assert not tail(0.5)[:, :200].any()
    late = slice(SAMPLE_RATE, None)
    assert rms(tail(0.9)[:, late]) > 2 * rms(tail(0.2)[:, late])
    treble = np.abs(np.fft.rfft(tail(0.8, damping=0.0)[0]))[-10_000:].sum()
    assert treble > 2 * np.abs(np.fft.rfft(tail(0.8, damping=1.0)[0]))[-10_000:].sum()
    assert np.array_equal(*tail(0.5, width=0.0))
    assert not np.array_equal(*tail(0.5, width=1.0))


@engines
@pytest.mark.parametrize("seconds", [0.05, 0.4, 30.0])
def test_a_decay_falls_by_60_db_in_its_time(engine: str, seconds: float) -> None:
    ones = np.ones((2, 8000), np.float32)
    decayed = apply(engine, Decay(seconds=seconds), ones)
    level_db = 20 * np.log10(decayed.astype(np.float64))
    assert level_db[:, 0] == pytest.approx(0)
    assert level_db == pytest.approx(np.tile(-60 * np.arange(8000) / (seconds * SAMPLE_RATE), (2, 1)), abs=1e-3)


@engines
def test_a_gain_is_a_gain(engine: str) -> None:
    assert apply(engine, Gain(gain_db=-6.0), noise(2)) == pytest.approx(noise(2) * 0.5012, rel=1e-4)


@pytest.mark.parametrize(
    ("level", "jitter_db", "expected"),
    [
        (0.0, 0.0, -14.0),
        (0.7, 0.0, -21.0),
        (0.35, 0.0, -17.5),
        (0.35, 0.8, -16.7),
        (0.0, 1.0, -14.0),
        (0.7, -1.0, -21.0),
        (2.0, 0.0, -21.0),
    ],
)
def test_a_level_gain_follows_its_formula(level: float, jitter_db: float, expected: float) -> None:
    assert compute_gain_db(LevelGain(min_db=-21.0, max_db=-14.0, jitter_db=jitter_db), level) == pytest.approx(expected)


@engines
def test_a_level_gain_depends_on_the_rms_of_its_input(engine: str) -> None:
    effect = LevelGain(min_db=-21.0, max_db=-14.0, jitter_db=0.0)
    out = apply(engine, effect, sine(441, 0.35 * math.sqrt(2)))
    assert gain_to_db(rms(out) / 0.35) == pytest.approx(-17.5, abs=1e-3)


@pytest.mark.parametrize("law", LAWS)
def test_pan_laws(law: str) -> None:
    middle = {"linear": -6.02, "minus_4_5_db": -4.52, "constant_power": -3.01}[law]
    assert [gain_to_db(gain) for gain in pan_gains(0.5, law)] == pytest.approx([middle, middle], abs=0.01)
    assert pan_gains(0.0, law) == pytest.approx((1, 0), abs=1e-8)
    assert pan_gains(1.0, law) == pytest.approx((0, 1), abs=1e-8)
    for position in np.linspace(0, 1, 21):
        left, right = pan_gains(position, law)
        assert pan_gains(1 - position, law) == pytest.approx((right, left))
        if law == "linear":
            assert left + right == pytest.approx(1)
        if law == "constant_power":
            assert left**2 + right**2 == pytest.approx(1)


@engines
def test_a_pan_balances_stereo_and_spreads_mono(engine: str) -> None:
    effect = Pan(position=0.25, law="linear")
    gains = np.array([[0.75], [0.25]])
    assert apply(engine, effect, noise(2)) == pytest.approx(noise(2) * gains, abs=1e-7)
    assert apply(engine, effect, noise(1)) == pytest.approx(noise(1) * gains, abs=1e-7)


@engines
def test_width(engine: str) -> None:
    left, right = stereo = noise(2)
    assert apply(engine, Width(width=1.0), stereo) == pytest.approx(stereo, abs=1e-6)
    assert np.array_equal(*apply(engine, Width(width=0.0), stereo))
    wide = apply(engine, Width(width=2.0), stereo)
    assert wide[0] - wide[1] == pytest.approx(2 * (left - right), abs=1e-6)
    assert wide[0] + wide[1] == pytest.approx(left + right, abs=1e-6)
    assert np.array_equal(*apply(engine, Width(width=2.0), noise(1)))
