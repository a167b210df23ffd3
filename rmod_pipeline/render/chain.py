"""Apply effects in series and sends in parallel, and measure the gain of each effect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, gain_to_db, rms, to_channels
from rmod_pipeline.effects import EFFECTS, Effect
from rmod_pipeline.spec import Send, Settings


def apply_chain(audio: Audio, effects: Sequence[Effect], settings: Settings) -> tuple[Audio, list[float]]:
    """Return the audio [1 or 2, frames] after the effects, and the measured gain of each effect in dB.

    For an effect with ``match_rms`` the gain is the make-up gain that restores the RMS of the input. For any other
    effect it is the change of RMS from input to output. Silence stays silence, with a gain of 0 dB.
    """
    gains: list[float] = []
    before = rms(audio)
    for effect in effects:
        audio = apply_effect(audio, effect, settings)
        after = rms(audio)
        if before == 0 or after == 0:
            gains.append(0.0)
        elif effect.match_rms:
            audio = audio * np.float32(before / after)
            gains.append(round(gain_to_db(before / after), 3))
            continue
        else:
            gains.append(round(gain_to_db(after / before), 3))
        before = after
    return audio, gains


def apply_effects(audio: Audio, effects: Sequence[Effect], settings: Settings) -> Audio:
    """Return the same audio as ``apply_chain``, without gains; only ``match_rms`` costs a measurement."""
    before: float | None = None
    for effect in effects:
        if not effect.match_rms:
            audio, before = apply_effect(audio, effect, settings), None
            continue
        before = rms(audio) if before is None else before
        audio = apply_effect(audio, effect, settings)
        after = rms(audio)
        if before == 0 or after == 0:
            before = after
        else:
            audio = audio * np.float32(before / after)
    return audio


def apply_effect(audio: Audio, effect: Effect, settings: Settings) -> Audio:
    """Return the audio [1 or 2, frames] after one effect of the engine in the settings."""
    return EFFECTS[effect.effect].apply_with(settings.engine)(audio, effect, settings.sample_rate)


def add_sends(audio: Audio, sends: Sequence[Send], settings: Settings) -> Audio:
    """Return a track [1 or 2, frames] in stereo with its sends added; the input of every send is the track alone."""
    dry = to_channels(audio, 2)
    total = dry
    for send in sends:
        wet = apply_effects(dry, send.effects, settings)
        total = total + to_channels(wet, 2) * np.float32(db_to_gain(send.level_db))
    return total
