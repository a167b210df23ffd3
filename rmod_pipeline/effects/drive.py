"""Drive: saturation without memory, which adds odd harmonics and lifts what is quiet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, db_to_gain
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive(Effect):
    """The value of a drive."""

    effect: Literal["drive"] = "drive"
    drive_db: float


class DriveRanges(EffectRanges):
    """Saturate: what is loud is squeezed, and what is quiet comes up. Full scale stays full scale."""

    record = Drive
    effect: Literal["drive"]
    drive_db: Annotated[Number, Within("dB", -40, 60)] = Field(
        description="Gain before the saturation. Little is heard at -20 dB; at 40 dB waves are nearly square."
    )


def _apply_numpy(audio: Audio, effect: Drive, sample_rate: int) -> Audio:  # noqa: ARG001
    # x / sqrt(1 + x^2) bends like a hyperbolic tangent, but every processor rounds its operations alike.
    gain = db_to_gain(effect.drive_db)
    driven = audio * np.float32(gain)
    full_scale = math.sqrt(1 + gain * gain) / gain
    saturated: Audio = driven / np.sqrt(1 + driven * driven) * np.float32(full_scale)
    return saturated


EFFECT = EffectKind(ranges=DriveRanges, engines={PEDALBOARD: _apply_numpy})
