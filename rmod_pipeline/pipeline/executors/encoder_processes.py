"""Encoders of a build on one machine: a process for every GPU, or some for the CPU, that all renderers share.

A renderer sends a batch of windows through a socket and goes on rendering; it has at most ``encoding.AHEAD`` batches
under way, so that what waits at an encoder is bounded by the number of renderers. An encoder that dies is started
again, and what it was asked is asked again: the same batch gives the same tokens.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from rmod_pipeline.codec import CodecChoice, Tokens
from rmod_pipeline.codec.codec import AudioBatch
from rmod_pipeline.codec.torch_support import count_gpus, use_threads
from rmod_pipeline.errors import BuildError, CodecError, UsageError
from rmod_pipeline.pipeline.encoding import EncodeBatch, TimedEncoder, TokenSettings
from rmod_pipeline.pipeline.executors.processes import begin_child, signals_held
from rmod_pipeline.pipeline.results import WaitTimes
from rmod_pipeline.storage.child_processes import main_module_hidden

logger = logging.getLogger(__name__)

RENDERERS_PER_ENCODER = 4
"""On a CPU, of the small codec: encoding a pair takes less time than rendering it."""

RESTARTS = 3
"""How often an encoder is started again over one batch before the build gives up. Over a run there is no limit."""

LOST = "its last words are above; if it was killed, look at the memory: a smaller --batch needs less"
ENDS = "an encoder ends of this, and is started again"

PATIENCE_SECONDS = 120.0
"""How long a renderer waits for an encoder that is being started: a large codec takes its time."""


def encoder_devices(encoding: TokenSettings, workers: int, encoders: int | None) -> list[str]:
    """Return the device of each encoder: every GPU there is, or the CPU several times. Raises UsageError."""
    kind, _, number = str(encoding.choice.device).partition(":")
    if encoding.family.codec["device"] == "cpu":
        return ["cpu"] * (encoders or -(-workers // RENDERERS_PER_ENCODER))
    there = [f"cuda:{number}"] if kind == "cuda" and number else [f"cuda:{i}" for i in range(count_gpus())]
    if encoders and encoders > len(there):
        raise UsageError("--encoders", f"{encoders}, but one works on a GPU and there are {len(there)}", "give fewer")
    return there[:encoders]


def open_in_process(choice: CodecChoice, device: str) -> EncodeBatch:
    """Open a codec in this process, on the CPU with one thread: then its tokens cannot depend on how many cores there
    are, and renderers keep theirs."""
    if device == "cpu":
        use_threads(1)
    return replace(choice, device=device).open().encode


@dataclass(frozen=True, slots=True)
class EncoderAddresses:
    """Where the encoders are: small, and ready to be sent to a renderer."""

    addresses: tuple[str, ...]
    key: bytes

    def open(self, place: int) -> EncodeBatch:
        """Return the way to one of the encoders, the renderers being dealt out over them."""
        return EncoderClient(self.addresses[place % len(self.addresses)], self.key).encode


class EncoderProcesses:
    """The encoder processes of one run; leave the context, and they are gone."""

    def __init__(self, choice: CodecChoice, devices: list[str]) -> None:
        self._choice, self._devices = choice, devices
        self._folder = Path(tempfile.mkdtemp(prefix="rmod-encoders-"))
        self.doors = EncoderAddresses(
            tuple(str(self._folder / str(i)) for i in range(len(devices))), secrets.token_bytes(32)
        )
        self._processes: list[BaseProcess] = []
        self._deaths = [0] * len(devices)
        """Of each, in a row, without a batch between."""
        self._worked = [0.0] * len(devices)
        # Worked and waited of each: written by it alone.
        self._clocks = multiprocessing.get_context("spawn").RawArray("d", 2 * len(devices))

    def __enter__(self) -> EncoderProcesses:
        self._processes = [self._start(place) for place in range(len(self._devices))]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
            process.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def waits(self) -> WaitTimes:
        """How long they were there, and how much of that they waited; what a dead one had told counts too."""
        worked, waited = sum(self._clocks[::2]), sum(self._clocks[1::2])
        return WaitTimes(encoders=worked + waited, for_workers=waited)

    def look_after(self) -> None:
        """Start those again that died. Raises BuildError for one that does so again and again, and encodes nothing."""
        for place, process in enumerate(self._processes):
            if process.is_alive():
                continue
            worked = self._clocks[2 * place]
            self._deaths[place] = 1 if worked > self._worked[place] else self._deaths[place] + 1
            self._worked[place] = worked
            found = f"an encoder on {self._devices[place]} {_ended(process.exitcode)}"
            if self._deaths[place] > RESTARTS:
                times = f"{self._deaths[place]} times in a row, without a batch between"
                shutil.rmtree(self._folder, ignore_errors=True)  # so that nobody waits for one that never comes
                raise BuildError("encoders", f"{found}, {times}", LOST)
            logger.warning("%s and is started again", found)
            self._processes[place] = self._start(place)

    def _start(self, place: int) -> BaseProcess:
        clock = (self._clocks, 2 * place)
        arguments = (self._choice, self._devices[place], self.doors.addresses[place], self.doors.key, clock)
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
        with signals_held(), main_module_hidden():
            process.start()
        return process


class EncoderClient:
    """The way to an encoder in another process."""

    def __init__(self, address: str, key: bytes) -> None:
        self._address, self._key = address, key
        self._connection: Connection | None = None

    def encode(self, audio: AudioBatch) -> Tokens:
        """Have a batch encoded. Raises CodecError: what the encoder raised, or that it cannot be reached."""
        # Once more than encoders are started again: it is the run that gives up, and says which encoder died and how.
        losses = RESTARTS + 2
        for _ in range(losses):
            connection = self._connection or self._connect()
            try:
                connection.send(audio)
                answer = connection.recv()
            except (EOFError, OSError):
                connection.close()
                self._connection = None
                continue
            self._connection = connection
            if isinstance(answer, CodecError):
                raise answer
            return answer
        raise CodecError("encoder", f"lost {losses} times over one batch", LOST)

    def _connect(self) -> Connection:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and Path(self._address).parent.is_dir():
            try:
                return Client(self._address, "AF_UNIX", authkey=self._key)
            except (OSError, EOFError):
                time.sleep(0.05)
        raise CodecError("encoder", f"not up after {PATIENCE_SECONDS:g} s, or given up", "give the same command again")


def _ended(exitcode: int | None) -> str:
    """Say how a process ended."""
    if exitcode is not None and exitcode < 0:
        return f"was killed by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    return f"died (exit code {exitcode})"


def _serve(choice: CodecChoice, device: str, address: str, key: bytes, clock: tuple[Any, int]) -> None:
    begin_child()
    encode, alone = TimedEncoder(open_in_process(choice, device)), threading.Lock()
    clocks, place = clock
    worked, waited = clocks[place : place + 2]  # by one that died

    def answer(connection: Connection) -> None:
        with connection, suppress(EOFError, OSError):
            while True:
                audio = connection.recv()
                try:
                    with alone:
                        tokens: Tokens | CodecError = encode(audio)
                        clocks[place : place + 2] = [worked + encode.worked, waited + encode.waited]
                except CodecError as error:
                    tokens = error
                except Exception:
                    # After some, of CUDA for instance, a process can do nothing more; the renderer asks the next one.
                    logger.critical(ENDS, exc_info=True)
                    os._exit(1)
                connection.send(tokens)

    Path(address).unlink(missing_ok=True)  # of one that died
    with Listener(address, "AF_UNIX", authkey=key, backlog=64) as listener:
        while True:
            with suppress(OSError, EOFError, multiprocessing.AuthenticationError):
                threading.Thread(target=answer, args=(listener.accept(),), daemon=True).start()
