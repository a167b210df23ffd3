"""A lease on a shard, so that two runs on one folder share the work.

A lease saves work and guards nothing: if two runs make the same shard all the same, they publish the same bytes.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import ClassVar, Self

from rmod_pipeline.errors import RmodError

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 1200.0
"""How long a lease is renewed without a word of progress: a large tar is checked and put, an encoder is waited for.
Whoever hangs for longer loses it."""


class Lease(ABC):
    """What leases on a disk and on a store have in common: while one is held, a thread renews it."""

    every: ClassVar[float]
    """Seconds between renewals."""

    def __init__(self) -> None:
        self._progress = time.monotonic()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def take(self) -> bool:
        """Take the lease if it is free, expired or held by a process of this machine that is gone."""

    @abstractmethod
    def held(self) -> bool:
        """Return whether somebody has the lease, and it is not void."""

    def renew(self) -> None:
        """Say that the shard is getting on: without that for long, the lease is left to expire."""
        self._progress = time.monotonic()

    def __enter__(self) -> Self:
        self.renew()
        self._thread = threading.Thread(target=self._keep_on, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        # A renewal that is under way would bring back what is given back here.
        if self._thread:
            self._thread.join(self.every)
        try:
            self._give_back()
        except (OSError, RmodError) as trouble:
            logger.debug("a lease ends by itself: %s", trouble)  # what was made is there

    def _keep_on(self) -> None:
        while not self._over.wait(self.every):
            if time.monotonic() - self._progress < PATIENCE_SECONDS:
                with suppress(OSError, RmodError):
                    self._extend()

    @abstractmethod
    def _extend(self) -> None:
        """Put the lease's end off, if it is still this one's."""

    @abstractmethod
    def _give_back(self) -> None:
        """Remove the lease, if it is still this one's."""
