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

STARTED = time.monotonic()
"""When this process began: scripts import this module before those that take seconds."""

END_SECONDS = 15.0
"""How long a process may take to end after it is asked to, at most."""

END_SHARE = 0.1
"""The same, as a share of the time that it is given."""


class OutOfTimeError(Exception):
    """The time of a part is over."""


class Clock:
    """The time that is left of a limit in seconds."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic, start: float | None = None) -> None:
        """Start now, or at a time ``start`` that ``now`` has told before."""
        self._now, self._start, self.limit = now, now() if start is None else start, seconds

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


def grace_of(seconds: float) -> float:
    """Return how long before the end of its time a command is asked to end; after that it is killed."""
    return min(END_SECONDS, END_SHARE * seconds)


def raise_on_signals() -> None:
    """Let what asks a process to end raise SystemExit, so that it ends the commands that it runs, too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _exit)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


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
    """Run a command for at most ``seconds``: interrupt it before their end, and kill it if it goes on until then.

    own_group: the command leads a process group, all of which is ended with it. show: print what it prints.
    """
    start, grace = time.monotonic(), grace_of(seconds)
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
            process.wait(seconds - grace)
        except subprocess.TimeoutExpired:
            stopped = True
            _end(process, grace)
        except BaseException:
            _end(process, grace)
            raise
        finally:
            if own_group:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # what the command has left behind
        output.seek(0)
        text = output.read().decode(errors="replace")[-2000:].strip()
    return CommandResult(code=process.returncode, seconds=time.monotonic() - start, stopped=stopped, output=text)


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Interrupt a process as Ctrl-C does; kill it if it goes on for so long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
