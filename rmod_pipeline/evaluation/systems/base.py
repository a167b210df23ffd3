"""What a system is: something that answers a mixture with the one-shot of a drum."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import RmodError

Value = TypeVar("Value")

REMEMBERED = 32
"""Mixtures about which something is remembered: all of a chunk, so that three kinds compute it once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """What a system is given: one mixture of a test set."""

    key: str
    audio: Mono
    """[samples] float32, the mean of the channels."""
    sample_rate: int
    onsets: Mapping[str, tuple[int, ...]]
    """By kind: the samples at which the drum is hit, for systems that may know them. Empty where nobody knows."""


@dataclass(slots=True)
class MixtureMemory(Generic[Value]):
    """Remember what is computed of mixtures, until ``REMEMBERED`` others have been asked for."""

    compute: Callable[[Mixture], Value]
    _values: OrderedDict[str, Value] = field(default_factory=OrderedDict, init=False)

    def __call__(self, mixture: Mixture) -> Value:
        """Return the value of a mixture."""
        if mixture.key not in self._values:
            self._values[mixture.key] = self.compute(mixture)
            if len(self._values) > REMEMBERED:
                self._values.popitem(last=False)
        self._values.move_to_end(mixture.key)
        return self._values[mixture.key]


class System(ABC):
    """A way to extract one-shots."""

    @abstractmethod
    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the one-shot [samples] of a kind at the mixture's rate; None if the system has no answer."""

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the answers to several mixtures. A system overrides it where a batch is faster."""
        return [self.extract(mixture, kind) for mixture in mixtures]


class BatchSystem(System):
    """A system that answers in batches: it defines ``extract_all``, and one mixture is a batch of one."""

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the answer to one mixture."""
        return self.extract_all([mixture], kind)[0]

    @abstractmethod
    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the answers to several mixtures."""


@dataclass(slots=True)
class RememberedSystem(BatchSystem):
    """A system that remembers its last answers, so that others can build upon them at no cost.

    An answer that cannot be made or read, such as a damaged file, is none, and ``failures`` has the reason.
    """

    system: System
    failures: dict[str, str] = field(default_factory=dict, init=False)
    """By key of the last mixtures: why there is no answer."""
    _last: tuple[tuple[str, ...], str] | None = field(default=None, init=False)
    _answers: list[Mono | None] = field(default_factory=list, init=False)

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return the answers to several mixtures: those of the last call, if it asked for the same."""
        identity = tuple(mixture.key for mixture in mixtures), kind
        if identity != self._last:
            self.failures = {}
            self._answers, self._last = self._extract_new(mixtures, kind), identity
        return list(self._answers)

    def _extract_new(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        try:
            return self.system.extract_all(mixtures, kind)
        except RmodError:
            return [self._extract_one(mixture, kind) for mixture in mixtures]

    def _extract_one(self, mixture: Mixture, kind: str) -> Mono | None:
        try:
            return self.system.extract(mixture, kind)
        except RmodError as error:
            self.failures[mixture.key] = error.found
            return None
