"""The ceiling of tokens: the true one-shot, or another system's answer, encoded and decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono, fit_window, target_frames
from rmod_pipeline.evaluation.systems.base import BatchSystem, Mixture, System

ReadTruths = Callable[[Sequence[Mixture], str], list[Mono | None]]
"""Return the true one-shots of a kind for mixtures."""


@dataclass(frozen=True, slots=True)
class TruthSystem(BatchSystem):
    """The true one-shots. It is no system that listens: ceilings and checks build upon it."""

    read_truths: ReadTruths

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the true one-shots [samples]; None where nobody knows one."""
        return self.read_truths(mixtures, kind)


@dataclass(frozen=True, slots=True)
class CodecCopySystem(BatchSystem):
    """The answers of a system after the codec's encoder and decoder; of the truth, the best that tokens can do."""

    codec: Codec
    system: System

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the copies of several answers, in the windows in which they are compared."""
        answers = self.system.extract_all(mixtures, kind)
        hop = self.codec.identity.hop
        windows = [fit_window(sound, target_frames(kind), hop).audio for sound in answers if sound is not None]
        if not windows:
            return list(answers)
        copies = iter(self.codec.decode(self.codec.encode(np.stack(windows))))
        return [None if sound is None else next(copies)[: windows[0].size] for sound in answers]
