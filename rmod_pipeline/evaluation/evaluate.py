"""Evaluate a checkpoint on a split: distances to the true one-shots, and losses with another pair's mixture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.dose.checkpoint import read_dose_checkpoint
from rmod_pipeline.evaluation.compare import SYSTEMS, Comparison, compare
from rmod_pipeline.evaluation.condition_use import ConditionUse, measure_condition_use
from rmod_pipeline.reading.decoding import open_decoder
from rmod_pipeline.shards.token_family import explain_other_codec
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The results of a model on the pairs of a split."""

    comparisons: tuple[Comparison, ...]
    """Per instrument: distances to the true one-shots, of the model and of simpler systems."""
    condition_use: tuple[ConditionUse, ...]
    """Per instrument: losses with the pair's own mixture and with another pair's."""

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
            for system in SYSTEMS
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
    """Evaluate a checkpoint on a data set with audio and with tokens of the model's codec.

    pairs: only the first ones; default: all. tries: sampled candidates per mixture, in addition to the greedy one.
    Raises DoseError, ShardError, CodecError.
    """
    use_threads(threads)
    model = read_dose_checkpoint(checkpoint)
    opened, family = open_decoder(data, codec, device)
    model.require_codec(opened.identity, explain_other_codec(data, model.codec, by_name=False))
    comparisons = compare(data, split, model, opened, family, most=pairs, tries=tries, on_pairs=on_pairs)
    condition_use = measure_condition_use(data, split, model, family, device=opened.device, most=pairs)
    return Evaluation(comparisons=tuple(comparisons), condition_use=tuple(condition_use))
