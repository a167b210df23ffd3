"""A checkpoint on the pairs of a split: distances to the true one-shots, and the loss with another mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.device import use_threads
from rmod_pipeline.dose.checkpoint import read_dose_checkpoint
from rmod_pipeline.evaluation.compare import WAYS, Comparison, compare
from rmod_pipeline.evaluation.condition_use import Listening, listening
from rmod_pipeline.reading.decoding import open_decoder
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a model is worth on the pairs of a split."""

    comparisons: tuple[Comparison, ...]
    """By instrument: distances to the true one-shots, of the model and of simpler systems."""
    condition_use: tuple[Listening, ...]
    """By instrument: the loss with the own mixture and with another pair's."""

    def __getitem__(self, instrument: str) -> Comparison:
        """Return the comparison of one instrument. Raises KeyError."""
        for comparison in self.comparisons:
            if comparison.instrument == instrument:
                return comparison
        raise KeyError(instrument)

    def to_dict(self) -> dict[str, Any]:
        """Return every pair's distances, for JSON."""
        return {each.instrument: {"keys": each.keys, **each.distances} for each in self.comparisons}

    def table(self) -> list[dict[str, Any]]:
        """Return a row per system and instrument: mean distance, and the share of pairs where the model is nearer."""
        return [
            {
                "system": system,
                "instrument": each.instrument,
                "distance": each.mean(system),
                "model_nearer": each.nearer_than(system),
            }
            for each in self.comparisons
            for system in WAYS
        ]

    def losses(self) -> list[dict[str, Any]]:
        """Return a row per instrument: losses in nats per code, with the own and with another pair's mixture."""
        return [asdict(each) for each in self.condition_use]


def evaluate_checkpoint(
    checkpoint: Path,
    data: Location,
    *,
    split: str = "test",
    pairs: int | None = None,
    codec: str | None = None,
    tries: int = 8,
    device: str = "auto",
    threads: int = 1,
    on_pairs: Callable[[int], None] = lambda _count: None,
) -> Evaluation:
    """Evaluate a checkpoint on a data set that keeps audio and tokens of the model's codec.

    pairs: only the first ones; default: all. tries: sampled candidates per mixture, beside the greedy one. Raises
    DoseError, ShardError, CodecError.
    """
    use_threads(threads)
    read = read_dose_checkpoint(checkpoint)
    opened, family = open_decoder(data, codec, device)
    comparisons = compare(data, split, read, opened, family, most=pairs, tries=tries, on_pairs=on_pairs)
    return Evaluation(
        comparisons=tuple(comparisons),
        condition_use=tuple(listening(data, split, read, family, device=opened.device, most=pairs)),
    )
