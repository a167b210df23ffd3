"""Say that the head of a cluster is gone before Ray ends this process without a word about the build."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""Interval between two connections to the head, and the longest time that one may take."""

SILENCE_SECONDS = 3.0
"""How long the head may refuse connections before that is logged."""


@contextmanager
def watch_head(address: str) -> Iterator[None]:
    """Log an error while nothing listens at the head's HOST:PORT.

    Ray's own threads end a driver that has lost its head for a minute (``RAY_gcs_rpc_server_reconnect_timeout_s``), so
    the error cannot be raised afterwards.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(address, stop), name="head watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(address: str, stop: threading.Event) -> None:
    last_answer, is_gone = time.monotonic(), False
    while not stop.wait(CHECK_SECONDS):
        if _answers(address):
            if is_gone:
                logger.warning("the head of the cluster at %s answers again: the build goes on", address)
            last_answer, is_gone = time.monotonic(), False
        elif not is_gone and time.monotonic() - last_answer >= SILENCE_SECONDS:
            is_gone = True
            logger.error(
                "the head of the cluster at %s is gone: Ray ends this build unless it comes back within a minute; "
                "finished shards are kept, so start the cluster and give the same command again",
                address,
            )


def try_connection(address: str, seconds: float) -> None:
    """Connect to HOST:PORT and disconnect. Raises OSError, ValueError or OverflowError."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=seconds).close()


def _answers(address: str) -> bool:
    try:
        try_connection(address, CHECK_SECONDS)
    except (OSError, ValueError, OverflowError):
        return False
    return True
