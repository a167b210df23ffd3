"""Define the LightningModule of a classifier: loaders, losses of training and validation, and the best checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.classification.checkpoint import FILE_NAME, Calibration, ClassifierCheckpoint, encode_classifier
from rmod_pipeline.classification.model import (
    SCALE_DB,
    SILENCE,
    SoundClassifierNet,
    normalize_levels,
    sum_leaves,
)
from rmod_pipeline.classification.recipe import ClassifierLossSettings, ClassifierRecipe
from rmod_pipeline.features import LogMel
from rmod_pipeline.training.classifier.calibration import calibrate
from rmod_pipeline.training.classifier.loaders import (
    SoundBatch,
    SoundData,
    open_train_loader,
    open_validation_loader,
)
from rmod_pipeline.training.loop.loaders import BatchLoader, IntervalLoader, LoaderSettings
from rmod_pipeline.training.loop.module import TrainingModule
from rmod_pipeline.training.loop.optimizer import make_optimizer

CLASS, WRONG = "class", "wrong"
_UNLIKELY = -1e9


class ClassifierModule(TrainingModule):
    """A classifier in training.

    The loss of the class on the valid split selects the best checkpoint. It is measured after calibration: a network
    that has become too sure of itself is no worse for that, because one number mends it.
    """

    kind, loss_parts, unit = "classifier", (CLASS, WRONG), "sounds"
    recipe: ClassifierRecipe
    model: SoundClassifierNet
    class_indices: Tensor
    """The class of each leaf."""

    def __init__(self, recipe: ClassifierRecipe, data: SoundData, features: LogMel, digest: str) -> None:
        """``digest`` identifies the sounds and their labels."""
        super().__init__(recipe, data.leaves.classes)
        self.data, self.features, self.digest = data, features, digest
        self.model = SoundClassifierNet(recipe.model, len(data.leaves.names))
        self.average = deepcopy(self.model).requires_grad_(False)
        """The network with the mean of the latest weights, which is validated and kept: it is right more often."""
        self.register_buffer("class_indices", torch.from_numpy(data.leaves.class_indices), persistent=False)
        self._valid: list[tuple[Tensor, Tensor, Sequence[str]]] = []
        """Logits, classes and keys of the batches of the current validation."""

    @property
    def name(self) -> str:
        """``sounds``: one model hears all classes."""
        return "sounds"

    @property
    def best_file(self) -> str:
        """The file name of the best checkpoint."""
        return FILE_NAME

    def encode_best(self, progress: Mapping[str, Any]) -> bytes:
        """Return the bytes of the best checkpoint, calibrated on the valid split."""
        checkpoint = ClassifierCheckpoint(
            recipe=self.recipe,
            leaves=self.data.leaves,
            features=self.features,
            calibration=self._calibrate(),
            progress=progress,
            state=self.average.state_dict(),
        )
        return encode_classifier(checkpoint)

    def identify(self) -> dict[str, Any]:
        """Return recipe, classes, features and sounds."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "leaves": list(self.data.leaves.names),
            "features": self.features.to_dict(),
            "sounds": self.digest,
        }

    def open_loaders(self, settings: LoaderSettings) -> tuple[IntervalLoader, BatchLoader]:
        """Open the loaders."""
        frames_per_second = self.features.sample_rate / self.features.hop
        train = open_train_loader(self.data, self.recipe, settings, frames_per_second, lambda: self.global_step)
        return train, open_validation_loader(self.data, self.recipe, settings)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the recipe."""
        return make_optimizer(self.model, self.recipe.schedule, self.model)

    def on_train_batch_end(self, *_args: Any) -> None:
        """Move the averaged network towards the present one."""
        # In the first steps a mean over many would be one over the random weights of the beginning.
        share = max(1 - self.recipe.loss.averaging, 1 / (self.global_step + 1))
        with torch.no_grad():
            present = self.model.state_dict()
            for name, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(present[name], share)
                else:
                    value.copy_(present[name])

    def compute_step_losses(self, batch: SoundBatch) -> dict[str, Tensor]:
        """Return the losses of a training batch: the total with smoothing, the class, and the share of errors."""
        levels = disturb_levels(normalize_levels(batch.levels), self.recipe.loss)
        logits = self.model(levels, batch.frames).logits
        log_odds = logits.log_softmax(1)
        leaf = -torch.logsumexp(log_odds.masked_fill(~batch.leaves, _UNLIKELY), 1)
        smoothing = self.recipe.loss.smoothing
        total = (1 - smoothing) * leaf.mean() - smoothing * log_odds.mean()
        nats, wrong = self._measure_classes(logits, self._find_classes(batch.leaves))
        return {"total": total, CLASS: nats.mean(), WRONG: wrong.float().mean()}

    def count_units(self, batch: SoundBatch) -> int:
        """Return the number of sounds."""
        return len(batch.keys)

    def on_validation_epoch_start(self) -> None:
        """Reset the sums of the losses and the answers."""
        super().on_validation_epoch_start()
        self._valid = []

    def validation_step(self, batch: SoundBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Keep the answers about a batch. Their losses are computed when all are there, because of the calibration."""
        logits = self.average(normalize_levels(batch.levels), batch.frames).logits
        self._valid.append((logits.float(), self._find_classes(batch.leaves), batch.keys))

    def on_validation_epoch_end(self) -> None:
        """Calibrate, and compute the held-out losses of all ranks. Raises ModelError if they are not finite."""
        temperature = self._calibrate().temperature
        for logits, classes, keys in self._valid:
            nats, wrong = self._measure_classes(logits / temperature, classes)
            sums = sum_by_class(nats, wrong, classes, len(self.instruments))
            self.add_validation(slice(None), sums, nats.mean(), keys)
        super().on_validation_epoch_end()

    def _measure_classes(self, logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nats of the class of each sound [n], and whether the answer is wrong: [n], [n]."""
        probabilities = sum_leaves(logits.float().softmax(1), self.class_indices, len(self.instruments))
        own = probabilities[torch.arange(len(classes), device=classes.device), classes]
        return -own.clamp_min(1e-9).log(), probabilities.argmax(1) != classes

    def _find_classes(self, leaves: Tensor) -> Tensor:
        """Return the class of each sound [n], given its possible leaves [n, leaves]."""
        indices: Tensor = self.class_indices[leaves.int().argmax(1)]
        return indices

    def _calibrate(self) -> Calibration:
        # A rank knows its own share of the valid split; the first rank writes the file.
        logits = torch.cat([logits for logits, _, _ in self._valid]).cpu()
        classes = torch.cat([classes for _, classes, _ in self._valid]).cpu()
        return calibrate(logits, classes, self.data.leaves, self.recipe.accuracy)


def sum_by_class(nats: Tensor, wrong: Tensor, classes: Tensor, count: int) -> Tensor:
    """Return sums and numbers of both losses of each class [count, 2, 2], given those of sounds [n] and classes [n]."""
    values = torch.stack([nats.double(), wrong.double()], dim=1)
    sums = torch.zeros(count, 2, 2, dtype=torch.float64, device=nats.device)
    return sums.index_add_(0, classes, torch.stack([values, torch.ones_like(values)], dim=2))


def disturb_levels(levels: Tensor, settings: ClassifierLossSettings) -> Tensor:
    """Return normalised levels [n, windows, bands, frames] with a random gain and tilt, and some bands silenced.

    What is at the floor stays there. The random numbers are torch's.
    """
    count, _, bands, _ = levels.shape
    gain = (2 * torch.rand(count, 1, 1, 1, device=levels.device) - 1) * settings.gain_db / SCALE_DB
    ramp = torch.linspace(-1, 1, bands, device=levels.device)[None, None, :, None]
    tilt = (2 * torch.rand(count, 1, 1, 1, device=levels.device) - 1) * settings.tilt_db / SCALE_DB * ramp
    changed = torch.where(levels > SILENCE, levels + gain + tilt, levels)
    width = torch.randint(0, settings.masked_bands + 1, (count, 1), device=levels.device)
    first = torch.randint(0, bands, (count, 1), device=levels.device)
    position = torch.arange(bands, device=levels.device)[None]
    masked = (position >= first) & (position < first + width) & (torch.rand(count, 1, device=levels.device) < 0.5)
    return changed.masked_fill(masked[:, None, :, None], SILENCE)
