"""How a training goes: speed, losses, and whether it waits for data."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from rmod_pipeline.training.dose.data import Batch
from rmod_pipeline.training.dose.losses import StepLosses
from rmod_pipeline.training.dose.module import DoseModule


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """Where a training stands."""

    step: int
    steps: int
    loss: float
    """Of the latest step's pairs, in nats a code; without the onset's share."""
    tokens_per_second: float
    """Codes of mixtures and one-shots that all devices read in a second, since the leg began."""
    waiting: float
    """Share of that time, 0..1, in which the first device waited for data."""


@dataclass(kw_only=True)
class ProgressListener:
    """Who wants to hear of it; by default nobody. Of several ranks the first one speaks."""

    began: Callable[[str, int], None] = lambda _name, _step: None
    """The model's name, and the step that it begins with."""
    stepped: Callable[[TrainingState], None] = lambda _standing: None
    validated: Callable[[TrainingState, StepLosses], None] = lambda _standing, _losses: None


@dataclass
class _Clock:
    """Since the leg began."""

    begin: float = field(default_factory=time.monotonic)
    waited_before: float = 0.0
    tokens: int = 0


class Monitor(Callback):
    """Tells the listener, and leaves signals to whoever had them before."""

    def __init__(self, listener: ProgressListener) -> None:
        self._listener, self._clock = listener, _Clock()
        self._on_termination = signal.getsignal(signal.SIGTERM)
        self._standing: TrainingState | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # lightning answers SIGTERM with a broadcast that other ranks may never hear.
        if threading.current_thread() is threading.main_thread() and self._on_termination is not None:
            signal.signal(signal.SIGTERM, self._on_termination)
        assert isinstance(pl_module, DoseModule)
        if trainer.is_global_zero:
            self._listener.began("-".join(pl_module.instruments), trainer.global_step)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        assert isinstance(pl_module, DoseModule)
        assert pl_module.legs is not None
        self._clock = _Clock(waited_before=pl_module.legs.waited)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: Batch,
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        assert isinstance(pl_module, DoseModule)
        assert pl_module.legs is not None
        self._clock.tokens += (batch.mixtures.numel() + batch.targets.numel()) * trainer.world_size
        passed = max(time.monotonic() - self._clock.begin, 1e-9)
        self._standing = TrainingState(
            step=trainer.global_step,
            steps=pl_module.recipe.schedule.steps,
            loss=pl_module.latest_loss,
            tokens_per_second=self._clock.tokens / passed,
            waiting=min((pl_module.legs.waited - self._clock.waited_before) / passed, 1.0),
        )
        if trainer.is_global_zero:
            self._listener.stepped(self._standing)

    def tell(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell how a leg went; to be called once all that came of it is kept."""
        assert isinstance(pl_module, DoseModule)
        standing = self._standing
        if trainer.is_global_zero and standing is not None:
            self._listener.validated(standing, pl_module.held_out)
            speed = {"speed/tokens_per_second": standing.tokens_per_second, "speed/waiting": standing.waiting}
            for logger in trainer.loggers:
                logger.log_metrics(speed, step=standing.step)
