"""Is a shard done? Asked of its receipts and of the sizes of its files."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt

logger = logging.getLogger(__name__)


def is_done(shard: str, family: str, layout: Layout, fingerprint: str) -> bool:
    """Return whether a shard of a family has a receipt, and its files the size that the receipt says.

    Where they have not, the receipt is removed: what it vouches for does not exist. Raises BuildError for a receipt of
    another data set.
    """
    if not layout.receipt(shard, family).exists():
        return False
    if not _damage(shard, family, layout, fingerprint):
        return True
    # A store lists page by page, audio before receipts: of a shard published meanwhile, the receipt alone is listed.
    layout = layout.afresh()
    path = layout.receipt(shard, family)
    if not path.exists():
        return False  # another run has found the same, and makes it anew
    damage = _damage(shard, family, layout, fingerprint)
    if not damage:
        return True
    logger.warning("%s is made anew: %s", shard, damage)
    path.unlink(missing_ok=True)
    return False


def existing_receipts(layout: Layout, family: str, plans: Sequence[ShardPlan]) -> list[Receipt]:
    """Return the receipts of a family that are there; one that another run has removed meanwhile is left out."""
    found = []
    for path in (layout.receipt(plan.name, family) for plan in plans):
        if path.exists():
            try:
                found.append(read_receipt(path))
            except ShardError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
    return found


def _damage(shard: str, family: str, layout: Layout, fingerprint: str) -> str:
    """Return why a receipt vouches for nothing; empty if it does. Raises BuildError."""
    path = layout.receipt(shard, family)
    try:
        receipt = read_receipt(path)
    except ShardError as error:
        return error.found
    if receipt.fingerprint != fingerprint:
        raise BuildError(path, "is a receipt of another data set", "choose another --out, or clear this folder")
    try:
        whole = all((layout.out / file.path).stat().st_size == file.bytes for file in receipt.files)
    except (FileNotFoundError, NotADirectoryError):
        whole = False
    return "" if whole else "its files are gone or cut"
