"""Bound the time of parts and of the commands that they run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

RMOD = (sys.executable, "-c", "from rmod_pipeline.cli import main; main()")
"""The command `rmod` of this Python."""

END_SECONDS = 15.0
"""How long a process may take to end after it is asked to."""


class OutOfTimeError(Exception):
    """The time of a part is over."""


class Clock:
    """The time that is left of a limit in seconds."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._start, self.limit = now, now(), seconds

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._now() - self._start

    @property
    def left(self) -> float:
        """Seconds until the end; 0 after it."""
        return max(self.limit - self.spent, 0.0)

    def share(self, part: float) -> Clock:
        """Return a clock over a part, 0..1, of the time that is left."""
        return Clock(self.left * part, self._now)

    def check(self) -> None:
        """Raise OutOfTimeError at the end."""
        if not self.left:
            raise OutOfTimeError(f"its {self.limit:.0f} s are over")


def share_out(seconds: float, weights: Mapping[str, float], part: str) -> float:
    """Return the seconds of a part: its share of the time left, among itself and the parts that come after it."""
    names = list(weights)
    later = names[names.index(part) :]
    return seconds * weights[part] / sum(weights[name] for name in later)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """How a command ended."""

    code: int
    """Its exit code; negative for a signal."""
    seconds: float
    stopped: bool
    """Whether its time was over."""
    output: str
    """The end of what it printed."""


def run_limited(
    command: Sequence[object], seconds: float, *, own_group: bool = False, show: bool = False
) -> CommandResult:
    """Run a command for at most ``seconds``; then interrupt it, and kill it if that does not end it.

    own_group: the command leads a process group, all of which is ended with it. show: print what it prints.
    """
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=None if show else output,
            stderr=None if show else subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=own_group,
        )
        stopped = False
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            stopped = True
            _end(process)
        except BaseException:
            _end(process)
            raise
        finally:
            if own_group:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # what the command has left behind
        output.seek(0)
        text = output.read().decode(errors="replace")[-2000:].strip()
    return CommandResult(code=process.returncode, seconds=time.monotonic() - start, stopped=stopped, output=text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process as Ctrl-C does; kill it if it goes on."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
