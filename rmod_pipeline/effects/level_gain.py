"""Level-dependent gain: the louder the input, the lower the gain.

    gain_db = clip(max - rms / 0.7 * (max - min) + jitter, min, max)

rms is the linear RMS of the whole input. The spec holds min, max and the jitter; render measures the resulting gain and
records it. Source: the public generator of the RMOD data set.
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
from rmod_pipeline.effects.engines.fused.steps import LevelScaling

LOUD_RMS = 0.7
"""The linear RMS that gets the lowest gain: about that of a full-scale sine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelGain(Effect):
    """The values of a level-dependent gain."""

    effect: Literal["level_gain"] = "level_gain"
    min_db: float
    max_db: float
    jitter_db: float


class LevelGainRanges(EffectRanges):
    """Multiply the audio by a gain that falls with the RMS of the input."""

    record = LevelGain
    effect: Literal["level_gain"]
    gain_db: Range = Field(description="The gains of the loudest and of a silent input, in dB, the lower gain first.")
    jitter_db: Annotated[Number, Within("dB", -40, 40)] = Field(
        default=[-1.0, 1.0], validate_default=True, description="Added to the gain before it is clipped to gain_db."
    )

    def compose(self, draw: Draw) -> LevelGain:
        """Draw the jitter; the gain itself depends on the audio."""
        low, high = self.gain_db
        return LevelGain(
            min_db=low, max_db=high, jitter_db=self.jitter_db.sample(draw.at("jitter_db")), match_rms=self.match_rms
        )


def compute_gain_db(effect: LevelGain, level: float) -> float:
    """Return the gain in dB for an input whose linear RMS is ``level``."""
    gain_db = effect.max_db - level / LOUD_RMS * (effect.max_db - effect.min_db) + effect.jitter_db
    return min(max(gain_db, effect.min_db), effect.max_db)


def _apply_numpy(audio: Audio, effect: LevelGain, sample_rate: int) -> Audio:  # noqa: ARG001
    return audio * np.float32(db_to_gain(compute_gain_db(effect, rms(audio))))


def _apply_console(audio: Audio, effect: LevelGain, sample_rate: int) -> Audio:  # noqa: ARG001
    return amplify(audio, compute_gain_db(effect, rms(audio)))


def _plan_fused(effect: LevelGain, sample_rate: int) -> LevelScaling:  # noqa: ARG001
    return LevelScaling(lambda level: db_to_gain(compute_gain_db(effect, level)))


EFFECT = EffectKind(
    ranges=LevelGainRanges, engines={PEDALBOARD: _apply_numpy, CONSOLE: _apply_console}, fused=_plan_fused
)
