"""A parametric equaliser: any number of shelves and peaks in series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, OneOf, Strict, Within, Word
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE

BUTTERWORTH_Q = 0.707


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    shape: str
    hz: float
    gain_db: float
    q: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Equalizer(Effect):
    effect: Literal["equalizer"] = "equalizer"
    bands: tuple[Band, ...]


class BandRanges(Strict):
    """One shelf or peak, a second-order section."""

    shape: Annotated[Word, OneOf("peak", "low_shelf", "high_shelf")] = Field(description="The form of the curve.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(description="Centre of a peak, corner of a shelf.")
    gain_db: Annotated[Number, Within("dB", -40, 40)] = Field(description="Gain at the centre, or of the shelf.")
    q: Annotated[Number, Within("", 0.05, 40)] = Field(
        default=BUTTERWORTH_Q, validate_default=True, description="Quality: how narrow a peak, how steep a shelf."
    )

    def compose(self, draw: Draw) -> Band:
        return Band(
            shape=self.shape.at(draw.at("shape")),
            hz=self.hz.at(draw.at("hz")),
            gain_db=self.gain_db.at(draw.at("gain_db")),
            q=self.q.at(draw.at("q")),
        )


class EqualizerRanges(EffectRanges):
    """Raise and lower parts of the spectrum."""

    record = Equalizer
    effect: Literal["equalizer"]
    bands: tuple[BandRanges, ...] = Field(min_length=1, description="The bands, from the first in the signal's way.")

    def compose(self, draw: Draw) -> Equalizer:
        return Equalizer(
            bands=tuple(band.compose(draw.at("band", place)) for place, band in enumerate(self.bands)),
            match_rms=self.match_rms,
        )


def with_pedalboard(audio: Audio, effect: Equalizer, sample_rate: int) -> Audio:
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


def with_console(audio: Audio, effect: Equalizer, sample_rate: int) -> Audio:
    # The console's own equaliser has five fixed bands: these are the filters that it is made of.
    from pymixconsole.components.iirfilter import IIRfilter

    filtered = list(audio)
    for band in effect.bands:
        shape = _CONSOLE_SHAPES[band.shape]
        filtered = [
            IIRfilter(band.gain_db, band.q, band.hz, sample_rate, shape, n_channels=1).apply_filter(channel)
            for channel in filtered
        ]
    return np.stack(filtered).astype(np.float32)


EFFECT = EffectKind(ranges=EqualizerRanges, engines={PEDALBOARD: with_pedalboard, CONSOLE: with_console})
