"""Check that a data set has what every training reads: pairs of both splits, finished and enough for all devices."""

from __future__ import annotations

from typing import Any

from rmod_pipeline.errors import ShardError, UnfinishedError, quote
from rmod_pipeline.reading.shard_list import list_finished_shards
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location

TRAIN, VALID = "train", "valid"

HINT_BUILD_MORE = f"--pairs {TRAIN}=1000,{VALID}=100"


def describe_build(out: Location) -> dict[str, Any]:
    """Return a short description of a data set for run.json: recipe, seed, numbers of pairs."""
    fingerprint = read_fingerprint(Layout(out).build)
    return {"recipe": fingerprint["recipe"]["name"], "seed": fingerprint["seed"], "pairs": fingerprint["pairs"]}


def count_pairs(out: Location) -> dict[str, int]:
    """Return the number of pairs of each split, as build.json plans them."""
    pairs: dict[str, int] = read_fingerprint(Layout(out).build)["pairs"]
    return pairs


def require_pairs(out: Location, folder: str, digest: str, world_size: int, making: str) -> None:
    """Raise ShardError unless both splits are finished and have a pair for each of ``world_size`` devices.

    ``folder`` is the family that the training reads, such as ``tokens/mini-1a2b3c4d``, ``digest`` that of its
    description, and ``making`` names what makes it, such as "the encoding".
    """
    pairs = count_pairs(out)
    for split in (TRAIN, VALID):
        if not pairs.get(split):
            existing = ", ".join(f"{count} {name}" for name, count in pairs.items())
            hint = f"build a data set with pairs of both, in another folder: {HINT_BUILD_MORE}"
            raise ShardError(f"{out}, split {split}", f"no pairs in it; there are {existing}", hint)
        _check_finished(out, split, folder=folder, digest=digest, world_size=world_size, making=making)


def _check_finished(out: Location, split: str, *, folder: str, digest: str, world_size: int, making: str) -> None:
    about = f"{out}, split {split}"
    try:
        shards = list_finished_shards(Layout(out), folder, digest, split)
    except UnfinishedError as error:
        # The reader's own hint is for Python callers, who may read unfinished splits.
        status = f"`rmod status {quote(out)}` shows its progress"
        hint = f"finish the build or {making} with the same command; {status}"
        raise ShardError(about, error.found, hint) from error
    pairs = sum(shard.pairs for shard in shards)
    if pairs < world_size:
        hint = f"give fewer --devices, or build more pairs in another folder: {HINT_BUILD_MORE}"
        raise ShardError(about, f"{pairs} pairs in it, for {world_size} devices", hint)
