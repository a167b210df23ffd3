"""The systems of a comparison, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rmod_pipeline.evaluation.classifiers.systems.base import ClassifierSystem, FoldInputs
from rmod_pipeline.evaluation.classifiers.systems.networks import (
    EmbeddingNeuralForest,
    EmbeddingPerceptron,
    NetworkHearing,
)
from rmod_pipeline.evaluation.classifiers.systems.vectors import (
    AdaBoost,
    LogisticRegression,
    MajorityClass,
    RandomForest,
)

NETWORK = "network"
"""The network of rmod from end to end, as it is shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemKind:
    """One system: its description, what it needs, and how it is opened for a fold."""

    title: str
    open: Callable[[FoldInputs], ClassifierSystem]
    needs_yamnet: bool = False
    needs_network: bool = False


def _hear(seconds: float | None) -> Callable[[FoldInputs], ClassifierSystem]:
    return lambda inputs: NetworkHearing(inputs.require_network(), seconds)


SYSTEMS: Mapping[str, SystemKind] = MappingProxyType(
    {
        "majority": SystemKind(title="the most frequent class of the training sounds", open=MajorityClass),
        "features-forest": SystemKind(
            title="hand-made features and a random forest",
            open=lambda inputs: RandomForest(inputs.hand_made, inputs.labels),
        ),
        "features-adaboost": SystemKind(
            title="hand-made features and AdaBoost", open=lambda inputs: AdaBoost(inputs.hand_made, inputs.labels)
        ),
        "yamnet-logistic": SystemKind(
            title="vectors of YAMNet and logistic regression",
            open=lambda inputs: LogisticRegression(inputs.require_yamnet(), inputs.labels),
            needs_yamnet=True,
        ),
        "yamnet-forest": SystemKind(
            title="vectors of YAMNet and a random forest",
            open=lambda inputs: RandomForest(inputs.require_yamnet(), inputs.labels),
            needs_yamnet=True,
        ),
        "embedding-perceptron": SystemKind(
            title="embeddings of rmod and a perceptron with one hidden layer",
            open=lambda inputs: EmbeddingPerceptron(inputs.require_network(), inputs.labels),
            needs_network=True,
        ),
        "embedding-neural-forest": SystemKind(
            title="embeddings of rmod and a deep neural decision forest",
            open=lambda inputs: EmbeddingNeuralForest(inputs.require_network(), inputs.labels),
            needs_network=True,
        ),
        NETWORK: SystemKind(
            title="the network of rmod, which hears 3 s of a sound", open=_hear(None), needs_network=True
        ),
        "network-2s": SystemKind(title="the same network, which hears 2 s", open=_hear(2.0), needs_network=True),
        "network-1s": SystemKind(title="the same network, which hears 1 s", open=_hear(1.0), needs_network=True),
    }
)
"""All systems, in the order of the tables."""
