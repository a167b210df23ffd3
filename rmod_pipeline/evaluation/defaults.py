"""The evaluation of one model on one data set, or of the answers of other programs, without a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rmod_pipeline.codec.catalogue import find_known_name
from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation.recipe import (
    AnotherPair,
    CodecCopy,
    EarPick,
    EvaluationRecipe,
    Guess,
    NearestSound,
    PairsChoice,
    Slice,
)
from rmod_pipeline.extraction.extractor import open_extractors
from rmod_pipeline.features import LogMel
from rmod_pipeline.reading.pairs import list_keys, read_receipts
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location

MODEL, CHANCE, SLICED = "DOSE", "chance", "sliced, known hit"


def make_default_recipe(
    data: Location,
    split: str,
    *,
    checkpoint: Path | None = None,
    codec: str | None = None,
    tries: int = 8,
    answers: Mapping[str, Path] | None = None,
    library: str | None = None,
    pairs: int | None = None,
    device: str = "auto",
) -> EvaluationRecipe:
    """Return a recipe with a model and all systems that need nothing else, on one split of a data set.

    The drums are those of the model; without one, the targets of the data set. chance and typical are there if the data
    set has a train split. Raises ShardError for a data set that cannot be read, and the errors of the checkpoint and
    the codec.
    """
    recipe = read_fingerprint(Layout(data).build)["recipe"]
    kinds = tuple(kind for kind, drum in recipe["drums"].items() if drum["target"])
    codec_name = codec or "mini"
    if checkpoint is not None:
        extractors, opened = open_extractors(checkpoint, (), codec, device)
        kinds = tuple(extractor.instrument for extractor in extractors)
        codec_name = codec or find_known_name(opened.identity.name) or codec_name
    # The ear and the codec that ship answer at their own rate alone.
    is_usual = recipe["sample_rate"] == LogMel().sample_rate
    has_codec = checkpoint is not None or codec is not None or is_usual
    systems: list[Any] = []
    if checkpoint is not None:
        model = {"system": "dose", "checkpoint": str(checkpoint), "codec": codec, "tries": tries}
        systems += [
            {**model, "name": MODEL},
            AnotherPair(system="another", name="another's", of=MODEL),
            {**model, "name": "agreed", "rank": "agreed"},
            {**model, "name": "greedy", "rank": "greedy"},
        ]
    systems += [{"system": "answers", "name": name, "folder": str(path)} for name, path in (answers or {}).items()]
    systems.append(Slice(system="slice", name=SLICED, onsets="known"))
    if is_usual:
        systems.append(Slice(system="slice", name="sliced, found hit", onsets="found"))
    if library is not None:
        systems += [
            NearestSound(system="library", name="nearest sound", of=SLICED, library=library),
            EarPick(system="ear", name="ear's pick", library=library),
        ]
    if _has_train_pairs(data):
        systems += [Guess(system="chance", name=CHANCE), Guess(system="typical")]
        if has_codec:
            systems.append(CodecCopy(system="codec", name="coded chance", codec=codec_name, of=CHANCE))
    if has_codec:
        systems.append(CodecCopy(system="codec", codec=codec_name))
    systems.append(Guess(system="silence"))
    content = {
        "kinds": kinds,
        "pairs": pairs,
        "sets": [PairsChoice(name="pairs", data=str(data), split=split)],
        "systems": systems,
    }
    try:
        return EvaluationRecipe.model_validate(content)
    except ValidationError as error:
        found = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise UsageError("the evaluation", found, "give --answers another NAME, and --pairs 1 or more") from error


def _has_train_pairs(data: Location) -> bool:
    """Return whether there is a train split with pairs. Raises ShardError for a data set that cannot be read."""
    return any(receipt.split == "train" for receipt in read_receipts(data)) and bool(list_keys(data, "train"))
