"""Parametric equaliser: any number of shelves and peaks in series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, OneOf, Strict, Within, Word
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE
from rmod_pipeline.effects.engines.fused.steps import Filtering, Section

BUTTERWORTH_Q = 0.707


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The values of one band."""

    shape: str
    hz: float
    gain_db: float
    q: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Equalizer(Effect):
    """The values of an equaliser."""

    effect: Literal["equalizer"] = "equalizer"
    bands: tuple[Band, ...]


class BandRanges(Strict):
    """One shelf or peak: a second-order filter."""

    shape: Annotated[Word, OneOf("peak", "low_shelf", "high_shelf")] = Field(description="Shape of the curve.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(
        description="Centre frequency of a peak, corner frequency of a shelf."
    )
    gain_db: Annotated[Number, Within("dB", -40, 40)] = Field(
        description="Gain at the centre of a peak, or of a shelf."
    )
    q: Annotated[Number, Within("", 0.05, 40)] = Field(
        default=BUTTERWORTH_Q,
        validate_default=True,
        description="Quality factor: a higher value makes a peak narrower and a shelf steeper.",
    )

    def compose(self, draw: Draw) -> Band:
        """Draw the values of a band."""
        return Band(
            shape=self.shape.sample(draw.at("shape")),
            hz=self.hz.sample(draw.at("hz")),
            gain_db=self.gain_db.sample(draw.at("gain_db")),
            q=self.q.sample(draw.at("q")),
        )


class EqualizerRanges(EffectRanges):
    """Raise or lower parts of the spectrum."""

    record = Equalizer
    effect: Literal["equalizer"]
    bands: tuple[BandRanges, ...] = Field(min_length=1, description="The bands, in the order of processing.")

    def compose(self, draw: Draw) -> Equalizer:
        """Draw the values of every band."""
        return Equalizer(
            bands=tuple(band.compose(draw.at("band", number)) for number, band in enumerate(self.bands)),
            match_rms=self.match_rms,
        )


def _apply_pedalboard(audio: Audio, effect: Equalizer, sample_rate: int) -> Audio:
    import pedalboard

    shapes: dict[str, Any] = {
        "peak": pedalboard.PeakFilter,
        "low_shelf": pedalboard.LowShelfFilter,
        "high_shelf": pedalboard.HighShelfFilter,
    }
    board = pedalboard.Pedalboard(
        [shapes[band.shape](cutoff_frequency_hz=band.hz, gain_db=band.gain_db, q=band.q) for band in effect.bands]
    )
    return board(audio, sample_rate, reset=True)


_CONSOLE_SHAPES = {"peak": "peaking", "low_shelf": "low_shelf", "high_shelf": "high_shelf"}


def _apply_console(audio: Audio, effect: Equalizer, sample_rate: int) -> Audio:
    # The equaliser of pymixconsole has five fixed bands, so this uses its filters.
    from pymixconsole.components.iirfilter import IIRfilter

    filtered = list(audio)
    for band in effect.bands:
        shape = _CONSOLE_SHAPES[band.shape]
        filtered = [
            IIRfilter(band.gain_db, band.q, band.hz, sample_rate, shape, n_channels=1).apply_filter(channel)
            for channel in filtered
        ]
    return np.stack(filtered).astype(np.float32)


def _plan_fused(effect: Equalizer, sample_rate: int) -> Filtering:
    return Filtering(tuple(_plan_band(band, sample_rate) for band in effect.bands))


def _plan_band(band: Band, sample_rate: int) -> Section:
    """Return the section of a band. Each operation is rounded to float32: at 30 Hz the last bit is heard."""
    f32, one = np.float32, np.float32(1)
    root = f32(math.sqrt(max(f32(10.0 ** (f32(band.gain_db) * f32(0.05))), f32(1e-15))))
    hz = min(max(f32(band.hz), f32(0.01)), f32(sample_rate / 2 - 100))
    angle = f32(2 * math.pi) * max(hz, f32(2)) / f32(sample_rate)
    cosine, sine, q = f32(math.cos(angle)), f32(math.sin(angle)), f32(band.q)
    if band.shape == "peak":
        alpha = sine / (q * f32(2))
        edge = f32(-2) * cosine
        b = (one + alpha * root, edge, one - alpha * root)
        return Section.divided(b, (one + alpha / root, edge, one - alpha / root))
    beta = sine * f32(math.sqrt(root)) / q
    minus, plus, two = root - one, root + one, f32(2)
    # A high shelf is a low one whose cosine has the other sign.
    sign = one if band.shape == "low_shelf" else -one
    turned = sign * cosine
    b = (
        root * (plus - minus * turned + beta),
        sign * root * two * (minus - plus * turned),
        root * (plus - minus * turned - beta),
    )
    a = (plus + minus * turned + beta, sign * f32(-2) * (minus + plus * turned), plus + minus * turned - beta)
    return Section.divided(b, a)


EFFECT = EffectKind(
    ranges=EqualizerRanges, engines={PEDALBOARD: _apply_pedalboard, CONSOLE: _apply_console}, fused=_plan_fused
)
