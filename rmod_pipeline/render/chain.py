"""Effects in series, sends in parallel, and the gain that each effect made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, gain_to_db, rms, to_channels
from rmod_pipeline.effects import EFFECTS, Effect
from rmod_pipeline.spec import Send, Settings


def apply_chain(audio: Audio, effects: Sequence[Effect], settings: Settings) -> tuple[Audio, list[float]]:
    """Return the audio [1 or 2, frames] after the effects, and a gain in dB for each, as it was measured.

    The gain is the make-up that brought an effect with ``match_rms`` back to its input's RMS; for any other effect, as
    a level-aware gain, how much louder the output is than the input. Silence stays silence, at 0 dB.
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
    """Return the very audio of ``apply_chain`` without its gains, measuring no more than ``match_rms`` needs."""
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
    """Return the audio after one effect, as the engine makes it."""
    return EFFECTS[effect.effect].apply_with(settings.engine)(audio, effect, settings.sample_rate)


def with_sends(audio: Audio, sends: Sequence[Send], settings: Settings) -> Audio:
    """Return a track [channels, frames] as stereo, joined by its sends; each hears the track and not the others."""
    dry = to_channels(audio, 2)
    total = dry
    for send in sends:
        wet = apply_effects(dry, send.effects, settings)
        total = total + to_channels(wet, 2) * np.float32(db_to_gain(send.level_db))
    return total
