"""Report the progress of a training: speed, losses, and the time spent waiting for data."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Progress and speed of a training."""

    step: int
    steps: int
    loss: float
    """Loss of the latest training batch: the one that selects the best model."""
    steps_per_second: float
    """Since the start of the interval."""
    unit: str
    """What is counted: tokens."""
    units_per_second: float
    """What all devices read per second, since the start of the interval."""
    waiting: float
    """Share of that time, 0..1, that the first device spent waiting for data."""


@dataclass(kw_only=True)
class ProgressListener:
    """Callbacks for the progress of a training, called on the first rank. By default they do nothing."""

    began: Callable[[str, int], None] = lambda _name, _step: None
    """Called with the name of the model and the first step."""
    stepped: Callable[[TrainingState], None] = lambda _state: None
    validated: Callable[[TrainingState, HeldOutLosses], None] = lambda _state, _losses: None


@dataclass
class _IntervalTimer:
    """Time and numbers since the start of the interval."""

    start: float = field(default_factory=time.monotonic)
    waited_before: float = 0.0
    """Seconds that the loader had waited before the interval."""
    steps: int = 0
    units: int = 0


class Monitor(Callback):
    """Report to a listener, and keep the signal handlers that were set before the training."""

    def __init__(self, listener: ProgressListener) -> None:
        self._listener, self._timer = listener, _IntervalTimer()
        self._sigterm_handler = signal.getsignal(signal.SIGTERM)
        self._state: TrainingState | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handler of SIGTERM and report the start."""
        # lightning's own handler of SIGTERM broadcasts, and other ranks may never receive it.
        if threading.current_thread() is threading.main_thread() and self._sigterm_handler is not None:
            signal.signal(signal.SIGTERM, self._sigterm_handler)
        assert isinstance(pl_module, TrainingModule)
        if trainer.is_global_zero:
            self._listener.began(pl_module.name, trainer.global_step)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the timer of the interval."""
        assert isinstance(pl_module, TrainingModule)
        assert pl_module.train_loader is not None
        self._timer = _IntervalTimer(waited_before=pl_module.train_loader.waited_seconds)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Any,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Report a step."""
        assert isinstance(pl_module, TrainingModule)
        assert pl_module.train_loader is not None
        timer = self._timer
        timer.steps += 1
        timer.units += pl_module.count_units(batch) * trainer.world_size
        elapsed = max(time.monotonic() - timer.start, 1e-9)
        self._state = TrainingState(
            step=trainer.global_step,
            steps=pl_module.recipe.schedule.steps,
            loss=pl_module.latest_loss,
            steps_per_second=timer.steps / elapsed,
            unit=pl_module.unit,
            units_per_second=timer.units / elapsed,
            waiting=min((pl_module.train_loader.waited_seconds - timer.waited_before) / elapsed, 1.0),
        )
        if trainer.is_global_zero:
            self._listener.stepped(self._state)

    def report_validation(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report an interval; call it after its checkpoints are written."""
        assert isinstance(pl_module, TrainingModule)
        state = self._state
        if trainer.is_global_zero and state is not None:
            self._listener.validated(state, pl_module.held_out)
            speed = {
                "speed/steps_per_second": state.steps_per_second,
                f"speed/{state.unit}_per_second": state.units_per_second,
                "speed/waiting": state.waiting,
            }
            for logger in trainer.loggers:
                logger.log_metrics(speed, step=state.step)
