"""Formatting, curves and pictures of the preview page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.effects import EFFECTS, Effect
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.level_gain import LevelGain
from rmod_pipeline.effects.pan import Pan
from rmod_pipeline.errors import BuildError
from rmod_pipeline.pages.preview import content, pictures, sounds
from rmod_pipeline.pages.preview.curves import band_gain_db
from rmod_pipeline.pages.preview.figures import make_figures
from rmod_pipeline.pages.preview.formatting import describe_effect, format_level, format_number, format_signed
from rmod_pipeline.pages.report import listening, plots
from rmod_pipeline.pipeline import shard
from tests.tiny_build import make_job

RATE = 44_100


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.5, "−0.5"),
        (12.345, "12.3"),
        (1789.4, "1789"),
        (1e-9, "0"),
        (None, "–"),
        (float("nan"), "–"),
        (True, "–"),
    ],
)
def test_numbers(value: object, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.25, "+1.2 dB"), (-3, "−3.0 dB"), (0.01, "0 dB"), ("x", "–")])
def test_gains_have_their_sign(value: object, text: str) -> None:
    assert format_signed(value) == text


def test_a_compressor_is_described_in_three_lines() -> None:
    effect = Compressor(threshold_db=-12.21, ratio=3.9, attack_ms=6.99, release_ms=211, match_rms=True)
    description = describe_effect(effect, RATE, gain_db=0.0)
    assert description.lines == ("3.9 : 1 above −12.2 dB", "attack 6.99 ms", "release 211 ms")
    assert description.keeps_level
    assert description.gain == ""


def test_the_measured_gain_is_shown_unless_a_line_states_it() -> None:
    loud = LevelGain(min_db=-20, max_db=-10, jitter_db=0.5)
    assert describe_effect(loud, RATE, gain_db=-12.04).gain == "−12.0 dB"
    assert describe_effect(loud, RATE).gain == ""
    assert describe_effect(Gain(gain_db=-12), RATE, gain_db=-12.04).gain == ""


def test_a_level_is_never_minus_zero() -> None:
    assert format_level(-0.04, "dBFS") == "0.0 dBFS"


@pytest.mark.parametrize(("position", "text"), [(0.5, "centre"), (0.0, "100 % left"), (0.56, "12 % right")])
def test_pan(position: float, text: str) -> None:
    assert describe_effect(Pan(position=position, law="minus_4_5_db"), RATE).lines == (text, "−4.5 dB law")


def test_an_effect_without_a_description_is_described_by_its_fields() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Crusher(Effect):
        effect: str = "bit_crusher"
        depth_db: float = -3.25
        hold_ms: float = 0.5
        hz: float = 900.0
        steps: int = 12
        mode: str = "half_way"

    description = describe_effect(Crusher(), RATE)
    assert description.name == "bit crusher"
    assert description.lines == ("depth −3.2 dB", "hold 0.5 ms", "900 Hz", "steps 12", "mode half way")


@pytest.mark.parametrize("shape", ["peak", "low_shelf", "high_shelf"])
def test_the_curve_is_the_response_of_the_equaliser(shape: str) -> None:
    band = Band(shape=shape, hz=700.0, gain_db=9.0, q=1.1)
    impulse = np.zeros((1, 1 << 15), np.float32)
    impulse[0, 0] = 1.0
    response = np.abs(
        np.fft.rfft(EFFECTS["equalizer"].apply_with("pedalboard")(impulse, Equalizer(bands=(band,)), RATE)[0])
    )
    hz = np.fft.rfftfreq(impulse.shape[1], 1 / RATE).astype(np.float64)
    audible = (hz > 20) & (hz < 20_000)
    assert band_gain_db(band, hz[audible], RATE) == pytest.approx(20 * np.log10(response[audible]), abs=0.05)


@pytest.mark.parametrize("hz", [60.0, 440.0, 3000.0, 12_000.0])
def test_a_tone_is_at_its_height_in_the_spectrogram(hz: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    levels = pictures.compute_mel_levels(tone, RATE)
    row = int(levels[:, levels.shape[1] // 2].argmax())
    assert levels.shape == (pictures.MELS, RATE // pictures.HOP + 1)
    assert (row + 1) / (pictures.MELS + 1) == pytest.approx(pictures.mel_height(hz, RATE), abs=0.012)


def test_no_mel_filter_is_empty() -> None:
    assert (pictures.mel_filters(RATE).max(axis=1) > 0.3).all()


def test_louder_is_lighter() -> None:
    lightness = pictures.spectrogram_palette() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_the_waveform_of_no_frames_is_drawn() -> None:
    assert "<path" in pictures.draw_waveform(np.zeros((2, 0), np.float32), 100)


def test_parts_of_an_effect_have_a_line_each() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Bands(Effect):
        effect: str = "bands"
        bands: tuple[Band, ...] = (Band(shape="peak", hz=900.0, gain_db=2.0, q=1.0),) * 2
        taps: tuple[int, ...] = (3,)

    lines = describe_effect(Bands(), RATE).lines
    assert len(lines) == 3 and lines[0] == lines[1] and "900 Hz" in lines[0] and " · " in lines[0]
    assert lines[2] == "3"


def test_no_plot_is_made_of_nothing() -> None:
    assert make_figures((), {}) == ()


def test_a_library_that_cannot_write_mp3_gives_flac(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = np.zeros((2, 900), np.float32)
    assert sounds.encode_compressed(audio, RATE)[1] != sounds.FLAC
    monkeypatch.setattr(sounds, "_can_write_mp3", lambda: False)
    assert sounds.encode_compressed(audio, RATE) == sounds.encode_flac(audio, RATE)


def test_a_report_draws_no_use_of_nothing() -> None:
    report: Any = SimpleNamespace(pairs={"train": 3}, use=())
    assert not list(plots._plot_use(report))


def test_a_pair_without_a_sound_is_heard_without_it(tiny_built: Path) -> None:
    group = listening._make_players(tiny_built, "train-00000000", ["kick", "cowbell"])
    assert len(group.players) == 2


def test_a_recipe_of_which_every_pair_is_rejected_has_no_preview(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "judge", lambda *_: "the kick is silent")
    job = make_job(tiny_manifest, tmp_path)
    with pytest.raises(BuildError, match=f"each of the first 2 pairs was rejected {job.recipe.reject.attempts} times"):
        content.make_first_pairs(job, "train", 2)
