"""Is a shard done? Asked of its receipts and of the sizes of its files."""

from __future__ import annotations

import logging

from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import read_receipt

logger = logging.getLogger(__name__)


def is_done(shard: str, family: str, layout: Layout, fingerprint: str) -> bool:
    """Return whether a shard of a family has a receipt, and its files the size that the receipt says.

    Where they have not, the receipt is removed: what it vouches for does not exist. Raises BuildError for a receipt of
    another data set.
    """
    path = layout.receipt(shard, family)
    if not path.exists():
        return False
    try:
        receipt = read_receipt(path)
    except ShardError as error:
        logger.warning("%s is made anew: %s", shard, error.found)
        path.unlink()
        return False
    if receipt.fingerprint != fingerprint:
        raise BuildError(path, "is a receipt of another data set", "choose another --out, or clear this folder")
    files = [(layout.out / file.path, file.bytes) for file in receipt.files]
    if all(file.is_file() and file.stat().st_size == size for file, size in files):
        return True
    logger.warning("%s is made anew: its files are gone or cut", shard)
    path.unlink()
    return False
