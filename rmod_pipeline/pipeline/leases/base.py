"""Define the base of leases on shards.

A lease saves work and protects no data: if two runs make the same shard all the same, they publish equal bytes.
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

RELEASE_WAIT_SECONDS = 30.0
"""How long a release waits for a renewal that is on its way."""
STALL_SECONDS = 1200.0
"""How long a lease is renewed without progress, for instance while a large tar is uploaded. After that it expires."""


class Lease(ABC):
    """A lease on one shard. While the context is open, a thread renews it."""

    renew_seconds: ClassVar[float]
    """Interval between renewals."""

    def __init__(self) -> None:
        self._last_progress = time.monotonic()
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def acquire(self) -> bool:
        """Acquire the lease if it is free or void; return whether this process holds it now.

        A lease is void when it has expired, or when its owner was a process of this machine and has ended.
        """

    @abstractmethod
    def is_held(self) -> bool:
        """Return whether a process holds the lease and it is not void."""

    def report_progress(self) -> None:
        """Note that the shard makes progress. Without progress for STALL_SECONDS the lease is not renewed."""
        self._last_progress = time.monotonic()

    def __enter__(self) -> Self:
        self.report_progress()
        self._thread = threading.Thread(target=self._renew_until_released, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        # A renewal that is still running would write the lease again after its release.
        if self._thread:
            self._thread.join(RELEASE_WAIT_SECONDS)
        try:
            self._release()
        except (OSError, RmodError) as release_error:
            # The shard itself is finished, and the lease expires.
            logger.debug("a lease cannot be released: %s", release_error)

    def _renew_until_released(self) -> None:
        while not self._released.wait(self.renew_seconds):
            if time.monotonic() - self._last_progress < STALL_SECONDS:
                with suppress(OSError, RmodError):
                    self._renew()

    @abstractmethod
    def _renew(self) -> None:
        """Postpone the end of the lease if this process still holds it."""

    @abstractmethod
    def _release(self) -> None:
        """Remove the lease if this process still holds it."""
