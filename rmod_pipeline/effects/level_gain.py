"""A gain that knows how loud its input is: the louder the track, the lower the gain.

    gain_db = clip(max - rms / 0.7 * (max - min) + jitter, min, max)

rms is linear over the whole input. The spec holds min, max and the jitter; the gain that came of them is measured in
render and recorded. Source: the public generator of the RMOD data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, db_to_gain, rms
from rmod_pipeline.distributions import Number, Range, Within
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE, amplify

LOUD_RMS = 0.7
"""The RMS, linear, that gets the lowest gain: about that of a full-scale sine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGain(Effect):
    effect: Literal["level_gain"] = "level_gain"
    min_db: float
    max_db: float
    jitter_db: float


class LevelGainRanges(EffectRanges):
    """Multiply by a gain that falls with the RMS of the input."""

    record = LevelGain
    effect: Literal["level_gain"]
    gain_db: Range = Field(description="The gain of the loudest and of a silent input, in dB, the lower first.")
    jitter_db: Annotated[Number, Within("dB", -40, 40)] = Field(
        default=[-1.0, 1.0], validate_default=True, description="Added to the gain before it is clipped to gain_db."
    )

    def compose(self, draw: Draw) -> LevelGain:
        low, high = self.gain_db
        return LevelGain(
            min_db=low, max_db=high, jitter_db=self.jitter_db.at(draw.at("jitter_db")), match_rms=self.match_rms
        )


def gain_for(effect: LevelGain, level: float) -> float:
    """Return the gain in dB for an input of the given linear RMS."""
    wanted = effect.max_db - level / LOUD_RMS * (effect.max_db - effect.min_db) + effect.jitter_db
    return min(max(wanted, effect.min_db), effect.max_db)


def apply(audio: Audio, effect: LevelGain, sample_rate: int) -> Audio:  # noqa: ARG001
    return audio * np.float32(db_to_gain(gain_for(effect, rms(audio))))


def with_console(audio: Audio, effect: LevelGain, sample_rate: int) -> Audio:  # noqa: ARG001
    return amplify(audio, gain_for(effect, rms(audio)))


EFFECT = EffectKind(ranges=LevelGainRanges, engines={PEDALBOARD: apply, CONSOLE: with_console})
