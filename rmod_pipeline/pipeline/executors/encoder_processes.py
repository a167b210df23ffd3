"""Run the encoders of a build on one machine: one process per GPU, or some on the CPU, shared by all renderers.

A renderer sends a batch of windows through a socket and continues to render. It has at most MAX_PENDING_BATCHES
pending, so the number of renderers limits the memory of an encoder. An encoder that dies is started again, and its
batch is sent again: the same batch gives the same tokens.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import shutil
import signal
import sys
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
from rmod_pipeline.pipeline.executors.processes import begin_child
from rmod_pipeline.pipeline.results import WaitTimes
from rmod_pipeline.storage.child_processes import defer_signals, hide_main_module, report_failed_start
from rmod_pipeline.storage.writing import report_unwritable

logger = logging.getLogger(__name__)

RENDERERS_PER_ENCODER = 4
"""On a CPU, with the small codec: encoding a pair takes less time than rendering it."""

RESTARTS = 3
"""How often an encoder is started again over one batch before the build stops. Over a whole run there is no limit."""

LOST_HINT = "see its last messages above; if it was killed, check the memory: a smaller --batch needs less"
MAX_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
"""The longest path of a Unix socket."""

RESTART_MESSAGE = "an encoder ends because of this error, and is started again"

CONNECT_SECONDS = 120.0
"""How long a renderer waits for an encoder that is starting: a large codec takes a while to load."""


def encoder_devices(encoding: TokenSettings, workers: int, encoders: int | None) -> list[str]:
    """Return the device of each encoder: all GPUs, or the CPU several times. Raises UsageError for too many."""
    kind, _, number = str(encoding.choice.device).partition(":")
    if encoding.family.codec["device"] == "cpu":
        return ["cpu"] * (encoders or -(-workers // RENDERERS_PER_ENCODER))
    gpus = [f"cuda:{number}"] if kind == "cuda" and number else [f"cuda:{i}" for i in range(count_gpus())]
    if encoders and encoders > len(gpus):
        found = f"{encoders}, but each encoder needs a GPU and there are {len(gpus)}"
        raise UsageError("--encoders", found, "give fewer")
    return gpus[:encoders]


def open_in_process(choice: CodecChoice, device: str) -> EncodeBatch:
    """Open a codec in this process. On a CPU it uses one thread: tokens must not depend on the number of cores."""
    if device == "cpu":
        use_threads(1)
    return replace(choice, device=device).open().encode


@dataclass(frozen=True, slots=True)
class EncoderAddresses:
    """The addresses of the encoders, small enough to be sent to a renderer."""

    addresses: tuple[str, ...]
    key: bytes

    def connect(self, renderer: int) -> EncodeBatch:
        """Return the encode function of one encoder; renderers are distributed evenly, by their number."""
        return EncoderClient(self.addresses[renderer % len(self.addresses)], self.key).encode


def _make_socket_folder() -> Path:
    """Return a new folder for sockets: in TMPDIR or, if that path is too long, in /tmp. Raises BuildError."""
    longest_name = len("/rmod-encoders-12345678/999")
    is_short = len(os.fsencode(tempfile.gettempdir())) + longest_name <= MAX_SOCKET_BYTES
    with report_unwritable("the sockets of the encoders", "let TMPDIR name a folder that you can write to", BuildError):
        return Path(tempfile.mkdtemp(prefix="rmod-encoders-", dir=None if is_short else "/tmp"))


class EncoderProcesses:
    """The encoder processes of one run. Leaving the context ends them."""

    def __init__(self, choice: CodecChoice, devices: list[str]) -> None:
        self._choice, self._devices = choice, devices
        self._folder = _make_socket_folder()
        self.addresses = EncoderAddresses(
            tuple(str(self._folder / str(i)) for i in range(len(devices))), secrets.token_bytes(32)
        )
        self._processes: list[BaseProcess] = []
        self._deaths = [0] * len(devices)
        """Deaths of each encoder in a row, without a batch in between."""
        self._worked = [0.0] * len(devices)
        """Seconds that each encoder had worked at its last death."""
        # Seconds worked and waited of each encoder, written by this encoder alone.
        with report_failed_start():
            self._clocks = multiprocessing.get_context("spawn").RawArray("d", 2 * len(devices))

    def __enter__(self) -> EncoderProcesses:
        try:
            for number in range(len(self._devices)):
                self._processes.append(self._start(number))
        except BaseException:
            self.__exit__(None, None, None)
            raise
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
        """The times of all encoders together, including those of dead processes."""
        worked, waited = sum(self._clocks[::2]), sum(self._clocks[1::2])
        return WaitTimes(encoders=worked + waited, for_workers=waited)

    def restart_dead(self) -> None:
        """Start dead encoders again. Raises BuildError for one that dies repeatedly without encoding a batch."""
        for number, process in enumerate(self._processes):
            if process.is_alive():
                continue
            worked = self._clocks[2 * number]
            self._deaths[number] = 1 if worked > self._worked[number] else self._deaths[number] + 1
            self._worked[number] = worked
            found = f"an encoder on {self._devices[number]} {_describe_exit(process.exitcode)}"
            if self._deaths[number] > RESTARTS:
                times = f"{self._deaths[number]} times in a row, without a batch in between"
                shutil.rmtree(self._folder, ignore_errors=True)  # so that renderers stop waiting for it
                raise BuildError("encoders", f"{found}, {times}", LOST_HINT)
            logger.warning("%s and is started again", found)
            self._processes[number] = self._start(number)

    def _start(self, number: int) -> BaseProcess:
        clock = (self._clocks, 2 * number)
        arguments = (self._choice, self._devices[number], self.addresses.addresses[number], self.addresses.key, clock)
        process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
        with report_failed_start(), defer_signals(), hide_main_module():
            process.start()
        return process


class EncoderClient:
    """A renderer's connection to an encoder in another process."""

    def __init__(self, address: str, key: bytes) -> None:
        self._address, self._key = address, key
        self._connection: Connection | None = None

    def encode(self, audio: AudioBatch) -> Tokens:
        """Encode audio [batch, samples]. Raises the encoder's CodecError, or one if the encoder cannot be reached."""
        # One more try than the encoder has restarts: the driver ends the build first, with the reason of the death.
        tries = RESTARTS + 2
        for _ in range(tries):
            connection = self._connection or self._connect()
            try:
                connection.send(audio)
                answer: Tokens | CodecError = connection.recv()
            except (EOFError, OSError):
                connection.close()
                self._connection = None
                continue
            self._connection = connection
            if isinstance(answer, CodecError):
                raise answer
            return answer
        raise CodecError("encoder", f"lost {tries} times over one batch", LOST_HINT)

    def _connect(self) -> Connection:
        end = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < end and Path(self._address).parent.is_dir():
            try:
                return Client(self._address, "AF_UNIX", authkey=self._key)
            except (OSError, EOFError):
                time.sleep(0.05)
        found = f"not up after {CONNECT_SECONDS:g} s, or stopped"
        raise CodecError("encoder", found, "give the same command again")


def _describe_exit(exitcode: int | None) -> str:
    """Return how a process ended, as the predicate of a sentence."""
    if exitcode is not None and exitcode < 0:
        return f"was killed by signal {-exitcode} ({signal.strsignal(-exitcode)})"
    return f"died (exit code {exitcode})"


def _serve(choice: CodecChoice, device: str, address: str, key: bytes, clock: tuple[Any, int]) -> None:
    """Serve the connections of renderers, each in a thread, with one encoder that takes one batch at a time.

    ``clock`` is the shared array of times, and the position of this encoder in it.
    """
    begin_child()
    encode, lock = TimedEncoder(open_in_process(choice, device)), threading.Lock()
    clocks, position = clock
    worked, waited = clocks[position : position + 2]  # times of earlier processes of this encoder

    def serve_renderer(connection: Connection) -> None:
        with connection, suppress(EOFError, OSError):
            while True:
                audio = connection.recv()
                try:
                    with lock:
                        answer: Tokens | CodecError = encode(audio)
                        clocks[position : position + 2] = [worked + encode.worked, waited + encode.waited]
                except CodecError as error:
                    answer = error
                except Exception:
                    # After some errors, of CUDA for instance, a process is unusable; the renderer asks its successor.
                    logger.critical(RESTART_MESSAGE, exc_info=True)
                    os._exit(1)
                connection.send(answer)

    Path(address).unlink(missing_ok=True)  # the socket of an earlier process
    with Listener(address, "AF_UNIX", authkey=key, backlog=64) as listener:
        while True:
            with suppress(OSError, EOFError, multiprocessing.AuthenticationError):
                threading.Thread(target=serve_renderer, args=(listener.accept(),), daemon=True).start()
