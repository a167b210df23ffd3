"""Vary a known one-shot towards what was heard: speed, decay and tone, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.effects import EFFECTS, PEDALBOARD, Effect
from rmod_pipeline.effects.decay import Decay
from rmod_pipeline.effects.equalizer import BUTTERWORTH_Q, Band, Equalizer
from rmod_pipeline.render.tracks import change_speed

SEMITONES = (-5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0)
DECAY_SECONDS = (None, 0.6, 0.25)
"""Time in which the level falls by 60 dB, in addition to the decay of the sound."""
TILT_DB = (-6.0, -3.0, 0.0, 3.0, 6.0)
LOW_HZ, HIGH_HZ = 200.0, 3000.0
"""Corners of the two shelves of a tilt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How a known sound is varied."""

    semitones: float = 0.0
    """Change of speed, as in a sampler."""
    decay_seconds: float | None = None
    """Time in which the level falls by 60 dB in addition; None leaves the decay as it is."""
    tilt_db: float = 0.0
    """Gain of the treble, and loss of the bass."""

    def apply(self, sound: Mono, sample_rate: int) -> Mono:
        """Return a sound [samples] with the variation."""
        audio = change_speed(sound[None], self.semitones)
        for effect in self._effects():
            audio = EFFECTS[effect.effect].apply_with(PEDALBOARD)(audio, effect, sample_rate)
        varied: Mono = np.ascontiguousarray(audio[0])
        return varied

    def in_words(self) -> str:
        """Return the variation as a few words, such as ``3 semitones lower, brighter by 6 dB``; empty for none."""
        words = []
        if self.semitones:
            words.append(f"{abs(self.semitones):g} semitones {'higher' if self.semitones > 0 else 'lower'}")
        if self.decay_seconds:
            words.append(f"decay of {self.decay_seconds:g} s")
        if self.tilt_db:
            words.append(f"{'brighter' if self.tilt_db > 0 else 'darker'} by {abs(self.tilt_db):g} dB")
        return ", ".join(words)

    def _effects(self) -> Sequence[Effect]:
        effects: list[Effect] = []
        if self.decay_seconds:
            effects.append(Decay(seconds=self.decay_seconds))
        if self.tilt_db:
            effects.append(
                Equalizer(
                    bands=(_shelf("low_shelf", LOW_HZ, -self.tilt_db), _shelf("high_shelf", HIGH_HZ, self.tilt_db))
                )
            )
        return effects


def find_variation(score: Callable[[Sequence[Variation]], Sequence[float]]) -> tuple[Variation, float]:
    """Return the variation with the least score, chosen value by value: speed, then decay, then tone.

    ``score`` returns the scores of several variations.
    """
    best = Variation()
    least = float("inf")
    steps: tuple[tuple[str, Sequence[Any]], ...] = (
        ("semitones", SEMITONES),
        ("decay_seconds", DECAY_SECONDS),
        ("tilt_db", TILT_DB),
    )
    for name, values in steps:
        options = [replace(best, **{name: value}) for value in values]
        scores = list(score(options))
        position = int(np.argmin(scores))
        best, least = options[position], float(scores[position])
    return best, least


def _shelf(shape: str, hz: float, gain_db: float) -> Band:
    return Band(shape=shape, hz=hz, gain_db=gain_db, q=BUTTERWORTH_Q)
