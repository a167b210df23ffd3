"""Decide from receipts and file sizes which shards are done."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt

logger = logging.getLogger(__name__)


def is_done(shard: str, family: str, layout: Layout, fingerprint: str) -> bool:
    """Return whether a shard of a family has a receipt and files of the sizes in it.

    Removes the receipt of a damaged shard, so that the shard is made again. Raises BuildError for a receipt of another
    data set.
    """
    if not layout.receipt(shard, family).exists():
        return False
    if _find_damage(shard, family, layout, fingerprint) is None:
        return True
    # A store lists page by page, audio before receipts. If a shard is published during the listing, only its receipt
    # may be listed, so ask the store again.
    layout = layout.without_cache()
    path = layout.receipt(shard, family)
    if not path.exists():
        return False  # another run has removed the receipt and makes the shard again
    damage = _find_damage(shard, family, layout, fingerprint)
    if damage is None:
        return True
    logger.warning("%s is made again: %s", shard, damage)
    path.unlink(missing_ok=True)
    return False


def read_existing_receipts(layout: Layout, family: str, plans: Sequence[ShardPlan]) -> list[Receipt]:
    """Return the existing receipts of a family, in the order of the plans. Raises ShardError for a damaged one."""
    receipts = []
    for path in (layout.receipt(plan.name, family) for plan in plans):
        if path.exists():
            try:
                receipts.append(read_receipt(path))
            except ShardError as error:
                # Another run may remove a receipt between the two calls.
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
    return receipts


def _find_damage(shard: str, family: str, layout: Layout, fingerprint: str) -> str | None:
    """Return why a shard with a receipt has to be made again, or None. Raises BuildError for another data set's."""
    path = layout.receipt(shard, family)
    try:
        receipt = read_receipt(path)
    except ShardError as error:
        return error.found
    if receipt.fingerprint != fingerprint:
        raise BuildError(path, "is a receipt of another data set", "choose another --out, or clear this folder")
    try:
        is_whole = all((layout.out / file.path).stat().st_size == file.bytes for file in receipt.files)
    except (FileNotFoundError, NotADirectoryError):
        is_whole = False
    return None if is_whole else "its files are missing or cut"
