"""Name the sets of labels that answers are scored on: all classes, the seven of the public roadmap, and three."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.library.taxonomy import CLASSES, seven_class

PUBLISHED_SEVEN = 0.924
"""Accuracy that is published for the seven classes: a fine-tuned wav2vec 2.0, on other data."""
THREE = ("kick", "snare", "hihat")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """Some labels, and the class or classes that each stands for."""

    name: str
    title: str
    label_of: Mapping[str, str]
    """The label of each class that has one."""
    note: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of their classes."""
        return tuple(dict.fromkeys(self.label_of.values()))

    def restrict(self, probabilities: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
        """Return the probabilities of labels [n, labels] from those of classes [n, classes].

        What other classes have is distributed over the labels in proportion. Where the labels have nothing, all are
        equally probable.
        """
        labels = self.labels
        summed = np.zeros((len(probabilities), len(labels)))
        for column, name in enumerate(classes):
            if name in self.label_of:
                summed[:, labels.index(self.label_of[name])] += probabilities[:, column]
        totals = summed.sum(1, keepdims=True)
        equal = np.full_like(summed, 1 / max(len(labels), 1))
        restricted: NDArray[np.float64] = np.where(totals > 0, summed / np.where(totals > 0, totals, 1), equal)
        return restricted


def list_label_sets() -> tuple[LabelSet, ...]:
    """Return the sets of labels: all classes, the seven classes, and kick, snare and hi-hat."""
    seven = {name: label for name in CLASSES if (label := seven_class(name)) is not None}
    return (
        LabelSet(name="all", title=f"All {len(CLASSES)} classes", label_of={name: name for name in CLASSES}),
        LabelSet(
            name="seven",
            title="The seven classes of the roadmap",
            label_of=seven,
            note=(
                f"Published for these seven classes: {100 * PUBLISHED_SEVEN:.1f} % (wav2vec 2.0, fine-tuned). That"
                " figure is from other data, with another division into training and test, so it is no opponent of"
                " the rows of this table."
            ),
        ),
        LabelSet(name="three", title="Kick, snare and hi-hat", label_of={name: name for name in THREE}),
    )
