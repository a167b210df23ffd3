"""Effects in series, sends in parallel, and the gain that each effect made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rmod_pipeline.audio import Audio, db_to_gain, gain_to_db, rms, to_channels
from rmod_pipeline.effects import EFFECTS, Effect
from rmod_pipeline.spec import Send, Settings


def apply_chain(audio: Audio, effects: Sequence[Effect], settings: Settings) -> tuple[Audio, list[float]]:
    """Return the audio [1 or 2, frames] after the effects, and for each how much louder it made its input, in dB.

    An effect with ``match_rms`` is scaled back to its input's RMS; silence stays silence.
    """
    gains: list[float] = []
    before = rms(audio)
    for effect in effects:
        audio = EFFECTS[effect.effect].apply_with(settings.engine)(audio, effect, settings.sample_rate)
        after = rms(audio)
        if effect.match_rms and after > 0:
            audio = audio * np.float32(before / after)
            after = before
        gains.append(round(gain_to_db(after / before), 3) if before > 0 else 0.0)
        before = after
    return audio, gains


def with_sends(audio: Audio, sends: Sequence[Send], settings: Settings) -> Audio:
    """Return a track [channels, frames] as stereo, joined by its sends; each hears the track and not the others."""
    dry = to_channels(audio, 2)
    total = dry
    for send in sends:
        wet, _ = apply_chain(dry, send.effects, settings)
        total = total + to_channels(wet, 2) * np.float32(db_to_gain(send.level_db))
    return total
