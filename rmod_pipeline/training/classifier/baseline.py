"""Compute the loss of a classifier that hears nothing: it knows how frequent each class is in the train split."""

from __future__ import annotations

import torch
from lightning.pytorch import Trainer

from rmod_pipeline.training.classifier.module import CLASS, WRONG, ClassifierModule, sum_by_class
from rmod_pipeline.training.loop.baseline import Baseline
from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule, average_losses


class FrequencyBaseline(Baseline):
    """Losses of the frequencies of classes on the valid split."""

    name, loss_parts = "frequencies", (CLASS, WRONG)

    def compute(self, trainer: Trainer, module: TrainingModule) -> HeldOutLosses:  # noqa: ARG002
        """Return the losses. All ranks have all labels."""
        assert isinstance(module, ClassifierModule)
        classes = module.instruments
        labels = {
            split: torch.tensor([classes.index(module.data.sounds[index].kind) for index in indices])
            for split, indices in (("train", module.data.train), ("valid", module.data.valid))
        }
        # One more of each, so that a class that only the valid split has is not impossible.
        counts = torch.bincount(labels["train"], minlength=len(classes)).double() + 1
        nats = -(counts / counts.sum()).log()
        valid = labels["valid"]
        sums = sum_by_class(nats[valid], valid != counts.argmax(), valid, len(classes))
        return average_losses(sums, classes, self.loss_parts)
