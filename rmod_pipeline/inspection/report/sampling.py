"""Choose the pairs whose sound, specs and tokens are read, and read them tar by tar.

The sample follows from build.json alone: two reports on one data set read the same pairs. It is spread evenly over the
splits, because leaks are looked for between them; a split with fewer pairs leaves its share to the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError, UnfinishedError, quote
from rmod_pipeline.inspection.findings import ExpectedContent
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.reading.shard_list import verify_hint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import FORMATS
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family

Sample = Mapping[str, Sequence[str]]
"""The keys of the chosen pairs by shard, both in order."""


def read_all_receipts(layout: Layout, expected: ExpectedContent) -> list[Receipt]:
    """Return the receipts of a finished data set, in order.

    Raises UnfinishedError if a shard is not made yet, ShardError for the receipt of another data set, or if there is no
    pair.
    """
    paths = {name: layout.receipt(name, expected.family) for name in expected.plans}
    missing = [name for name, path in paths.items() if not path.exists()]
    if missing:
        found = f"{len(missing)} of {len(paths)} shards are not made yet, {missing[0]} the first"
        hint = f"finish the build with the same command; `rmod status {quote(layout.out)}` says how far it is"
        raise UnfinishedError(layout.out, found, hint)
    receipts = [read_receipt(path) for path in paths.values()]
    for receipt in receipts:
        if receipt.fingerprint != expected.digest:
            raise ShardError(paths[receipt.shard], "the receipt of another data set", verify_hint(layout.out))
    if not any(receipt.pairs for receipt in receipts):
        raise ShardError(layout.out, "no pairs in it", "every attempt was rejected: look at `reject` in the recipe")
    return receipts


def choose_sample(receipts: Sequence[Receipt], count: int, seed: str) -> Sample:
    """Return at most ``count`` pairs; ``seed`` is the digest of build.json."""
    available: dict[str, int] = {}
    for receipt in receipts:
        available[receipt.split] = available.get(receipt.split, 0) + receipt.pairs
    sample: dict[str, list[str]] = {}
    for split, share in _spread(count, available).items():
        chosen = iter([*Draw.of("sample of the report", seed, split).distinct(share, available[split]), -1])
        wanted, position = next(chosen), 0
        for receipt in receipts:
            if receipt.split != split:
                continue
            if not position <= wanted < position + receipt.pairs:
                position += receipt.pairs
                continue
            for key in _list_keys(receipt):
                if position == wanted:
                    sample.setdefault(receipt.shard, []).append(key)
                    wanted = next(chosen)
                position += 1
    return sample


def read_sample(layout: Layout, sample: Sample, family: str, with_sounds: bool = True) -> Iterator[StoredPair]:
    """Yield the chosen pairs with their JSON and the files of mixture and one-shots, or of tokens.

    ``family`` is the folder of the tars. Raises ShardError.
    """
    endings = (*FORMATS, "npy") if with_sounds else ()
    for shard, keys in sample.items():
        chosen = frozenset(keys)

        def is_wanted(key: str, suffix: str, chosen: frozenset[str] = chosen) -> bool:
            is_sound = suffix.rpartition(".")[2] in endings and not suffix.startswith("stem-")
            return key in chosen and (is_sound or suffix == "json")

        found = 0
        for key, members in read_tar(layout.tar(shard, family), is_wanted):
            found += 1
            yield StoredPair(key=key, members=members)
        if found != len(keys):
            lacks = f"lacks {len(keys) - found} of the pairs that its receipt counts"
            raise ShardError(layout.tar(shard, family), lacks, verify_hint(layout.out))


def split_families(layout: Layout, shards: Mapping[str, object]) -> tuple[list[TokenFamily], list[str]]:
    """Return the finished families of tokens, and the names of the unfinished ones."""
    finished, unfinished = [], []
    for name in family_names(layout.out):
        family = read_family(layout.out, name)
        if all(layout.receipt(shard, family.folder).exists() for shard in shards):
            finished.append(family)
        else:
            unfinished.append(name)
    return finished, unfinished


def _spread(count: int, available: Mapping[str, int]) -> dict[str, int]:
    """Return how many pairs of each split to take, in the order of the splits."""
    left, shares = count, dict.fromkeys(available, 0)
    for number, split in enumerate(sorted(available, key=lambda name: (available[name], name))):
        shares[split] = min(available[split], left // (len(available) - number))
        left -= shares[split]
    return shares


def _list_keys(receipt: Receipt) -> Iterator[str]:
    absent = frozenset(receipt.absent)
    keys = (f"{receipt.split}-{index:08d}" for index in range(receipt.first, receipt.first + receipt.count))
    return (key for key in keys if key not in absent)
