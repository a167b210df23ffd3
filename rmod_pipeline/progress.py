"""Progress on standard error: bars with rate and time left on a terminal or in a notebook, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from rmod_pipeline.library.process_pool import CountProgress, ScanProgress
    from rmod_pipeline.pipeline.results import ShardFailure
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from rmod_pipeline.training.loop.module import HeldOutLosses
    from rmod_pipeline.training.loop.monitor import ProgressListener, TrainingState

LINE_SECONDS = 30.0
"""Interval between two lines of progress in a log."""


def stderr_console() -> Console:
    """Return a console on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def is_interactive(console: Console) -> bool:
    """Return whether somebody watches: a terminal or a notebook."""
    return console.is_terminal or console.is_jupyter


def pace(done: float, left: float, seconds: float, unit: str = "pairs") -> str:
    """Return rate and time left, ``8.1 pairs/s, 3 min 20 s left``; empty while nothing is done."""
    if done < 1 or seconds <= 0:
        return ""
    rate = done / seconds
    return f"{rate:.1f} {unit}/s, {duration(left / rate)} left"


def duration(seconds: float) -> str:
    """Return a duration in words: ``2 h 46 min`` or ``0 min 12 s``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {whole % 60:02d} s"


@contextmanager
def build_progress(shown: bool = True) -> Iterator[BuildProgress]:
    """Give the progress of a build: a bar, or a line every half minute in a log."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    from rmod_pipeline.pipeline.scheduler import BuildProgress

    if not shown:
        yield BuildProgress()
        return
    console = stderr_console()
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[pace]}"))

    class Shown(BuildProgress):
        def start(self, done: int, total: int) -> None:
            if done:
                console.print(f"{done} of {total} pairs exist already.")
            self._started = self._last_line = time.monotonic()
            self._existing, self._done, self._total = done, done, total
            self._task = bar.add_task("pairs", total=total, completed=done, pace="")

        def advance(self, pairs: int) -> None:
            self._done += pairs
            now = time.monotonic()
            text = pace(self._done - self._existing, self._total - self._done, now - self._started)
            bar.update(self._task, completed=self._done, pace=text)
            if bar.disable and now - self._last_line >= LINE_SECONDS:
                self._last_line = now
                console.print(f"{self._done} of {self._total} pairs, {text or 'none yet'}")

        def fail(self, failure: ShardFailure) -> None:
            console.print(f"{failure.shard} failed", style="red")
            console.print(failure.cause)

    with _bar(console, *columns) as bar:
        yield Shown()


@contextmanager
def scan_progress(shown: bool = True) -> Iterator[ScanProgress]:
    """Give the progress of a scan: a bar for each step, with rate and time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with _bar(stderr_console(), *columns, shown=shown, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, rate="")
            speed = bar.tasks[tasks[step]].speed
            bar.update(tasks[step], completed=done, total=total, rate=f"{speed or 0:.0f} files/s")

        yield show


@contextmanager
def steps_progress(shown: bool = True) -> Iterator[ScanProgress]:
    """Give the progress of a task of several steps: a bar for each, with rate and time left.

    In a log it prints a line every half minute, and one at the end of each step.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    console = stderr_console()
    with _bar(console, BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"), shown=shown) as bar:
        tasks: dict[str, Any] = {}
        begun: dict[str, tuple[float, int]] = {}
        last_line = time.monotonic()

        def show(step: str, done: int, total: int) -> None:
            nonlocal last_line
            now = time.monotonic()
            if step not in tasks:
                tasks[step], begun[step] = bar.add_task(step, total=total, pace=""), (now, done)
            start, first = begun[step]
            text = pace(done - first, total - done, now - start, "items")
            bar.update(tasks[step], completed=done, total=total, pace=text)
            if shown and bar.disable and (now - last_line >= LINE_SECONDS or done == total):
                last_line = now
                console.print(f"{step}: {done:,} of {total:,}" + (f", {text}" if text else ""))

        yield show


@contextmanager
def count_progress(description: str, shown: bool = True) -> Iterator[CountProgress]:
    """Give a callback that draws how many items are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _bar(stderr_console(), *columns, shown=shown, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def rate_progress(description: str, shown: bool = True) -> Iterator[CountProgress]:
    """Give a callback that draws items done, rate and time left; in a log it prints a line every half minute."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    console, columns = stderr_console(), (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    with _bar(console, *columns, shown=shown, transient=True) as bar:
        task = bar.add_task(description, total=None, pace="")
        started = last_line = time.monotonic()

        def show(done: int, total: int) -> None:
            nonlocal last_line
            now = time.monotonic()
            text = pace(done, total - done, now - started, "items")
            bar.update(task, completed=done, total=total, pace=text)
            if shown and bar.disable and now - last_line >= LINE_SECONDS:
                last_line = now
                console.print(f"{description}: {done:,} of {total:,}, {text}")

        yield show


@contextmanager
def advance_progress(description: str, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Give a callback that takes the number of items done since the last call."""
    from rich.progress import BarColumn, TimeElapsedColumn

    with _bar(stderr_console(), BarColumn(), TimeElapsedColumn(), shown=shown, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda count: bar.advance(task, count)


@contextmanager
def kit_progress(shown: bool = True) -> Iterator[CountProgress]:
    """Give the progress of making the built-in kit, and say once that it is made. Nothing is shown before that."""
    show: CountProgress | None = None
    with ExitStack() as stack:

        def on_sound(done: int, total: int) -> None:
            nonlocal show
            if show is None:
                if shown:
                    stderr_console().print(f"Making the built-in kit, {total} sounds, once.")
                show = stack.enter_context(count_progress("built-in kit", shown))
            show(done, total)

        yield on_sound


@contextmanager
def extraction_progress(shown: bool = True) -> Iterator[Callable[[str, float, float], None]]:
    """Give a callback that draws the step of an extraction, with rate and time left.

    In a log it prints a line every half minute.
    """
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console, last_line = stderr_console(), time.monotonic()
    last_call = last_line
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[pace]}"), TimeRemainingColumn())
    with _bar(console, *columns, shown=shown) as bar:
        tasks: dict[str, Any] = {}
        started: dict[str, float] = {}

        def on_step(step: str, done: float, total: float) -> None:
            nonlocal last_line, last_call
            now = time.monotonic()
            if step not in tasks:
                tasks[step], started[step] = bar.add_task(step, total=total, pace=""), last_call
            last_call = now
            speed = bar.tasks[tasks[step]].speed
            unit = "candidates" if step == "extracting" else "s of song"
            text = f"{done:.0f}/{total:.0f} {unit}" + (f", {speed:.1f}/s" if speed else "")
            bar.update(tasks[step], completed=done, total=total, pace=text)
            if shown and bar.disable and now - last_line >= LINE_SECONDS:
                last_line = now
                left = pace(done, total - done, now - started[step], unit)
                console.print(f"{step}: {done:.0f} of {total:.0f} {unit}" + (f", {left}" if left else ""))

        yield on_step


@contextmanager
def training_progress(shown: bool = True) -> Iterator[ProgressListener]:
    """Give a listener that draws the step of a training, and prints each validation."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from rmod_pipeline.training.loop.monitor import ProgressListener

    if not shown:
        yield ProgressListener()
        return
    console, last_line = stderr_console(), time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn())
    with _bar(console, *columns) as bar:
        task = bar.add_task("", total=None, speed="")

        def began(name: str, step: int) -> None:
            bar.reset(task, description=name, completed=step, speed="")
            if step:
                console.print(f"{name}: resumed from step {step:,}")

        def stepped(state: TrainingState) -> None:
            nonlocal last_line
            bar.update(task, total=state.steps, completed=state.step, speed=_training_speed(state))
            if bar.disable and time.monotonic() - last_line >= LINE_SECONDS:
                last_line = time.monotonic()
                console.print(f"step {state.step:,} of {state.steps:,}: {_training_speed(state)}")

        def validated(state: TrainingState, losses: HeldOutLosses) -> None:
            text = f"step {state.step:,} of {state.steps:,}: held-out loss {format_losses(losses['all'])}"
            console.print(f"{text}; {_training_speed(state)}")

        yield ProgressListener(began=began, stepped=stepped, validated=validated)


def format_losses(losses: Any) -> str:
    """Return the loss that selects a model, and the others by name: ``2.653 (onset 5.467)``; a single one by name."""
    selecting, *others = (f"{value:.3f}" for value in losses.values())
    names = list(losses)
    listed = ", ".join(f"{name} {value}" for name, value in zip(names[1:], others, strict=True))
    return f"{selecting} ({listed})" if others else f"{names[0]} {selecting}"


def _training_speed(state: TrainingState) -> str:
    speed = f"{state.steps_per_second:.2f} steps/s, {state.units_per_second:,.0f} {state.unit}/s"
    return f"in training {state.loss:.3f}, {speed}, {state.waiting:.0%} of the time waiting for data"


@contextmanager
def share_progress(description: str, shown: bool = True) -> Iterator[Callable[[float, int], None]]:
    """Give a callback that draws which share of a budget, 0..1, is spent, and at which step."""
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("step {task.fields[step]}"), TimeRemainingColumn())
    with _bar(stderr_console(), *columns, shown=shown) as bar:
        task = bar.add_task(description, total=1.0, step=0)
        yield lambda share, step: bar.update(task, completed=min(share, 1.0), step=step)


@contextmanager
def download_progress(description: str, shown: bool = True) -> Iterator[Callable[[int, int | None], None]]:
    """Give a callback that draws how many bytes have arrived."""
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _bar(stderr_console(), *columns, shown=shown) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar(console: Console, *columns: ProgressColumn, shown: bool = True, transient: bool = False) -> Progress:
    from rich.progress import Progress, TextColumn

    hidden = not shown or not is_interactive(console)
    return Progress(TextColumn("{task.description}"), *columns, console=console, transient=transient, disable=hidden)
