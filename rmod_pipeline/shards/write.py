"""Pairs -> tar, index, receipt: drafted aside, published whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.index import pair_row, reject_row, write_index
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import Form, encode_members
from rmod_pipeline.shards.publish import draft, publish, publish_bytes
from rmod_pipeline.shards.receipt import FileRecord, Gaps, Receipt
from rmod_pipeline.shards.tar import TarWriter


class PairShard:
    """A shard being written: pairs and rejects in, a tar of sound and an index out."""

    def __init__(self, tar: TarWriter | None, library: Library, form: Form) -> None:
        self._tar, self._library, self._form = tar, library, form
        self.rows: list[dict[str, Any]] = []
        self.gaps = Gaps()

    def add(self, pair: Pair) -> dict[str, bytes]:
        """Append a pair to the tar, if sound is kept, and to the index; return its files by suffix."""
        members = encode_members(pair, self._library, self._form)
        if self._tar:
            self._tar.add(pair.spec.key, members)
        self.rows.append(pair_row(pair, members, self._library))
        return members

    def reject(self, pair: Pair, stage: str, reason: str) -> None:
        """Record a pair that ought not to be."""
        self.rows.append(reject_row(pair, stage, reason, self._library))
        self.gaps.rejects[reason] += 1

    def leave_out(self, key: str) -> None:
        """Record a key that had only rejects."""
        self.gaps.absent.append(key)


@contextmanager
def write_pair_shard(
    plan: ShardPlan, layout: Layout, library: Library, form: Form, fingerprint: str
) -> Iterator[PairShard]:
    """Give a shard to fill; on leaving without an exception it is published, its receipt last."""
    with draft(layout.drafts, f"{plan.name}.tar") as tar, draft(layout.drafts, f"{plan.name}.parquet") as index:
        with TarWriter(tar) if form.kept else nullcontext() as writer:
            shard = PairShard(writer, library, form)
            yield shard
        write_index(shard.rows, index)
        finals = [(tar, layout.tar(plan.name))] if form.kept else []
        finals.append((index, layout.index(plan.name)))
        receipt = Receipt(
            shard=plan.name,
            family=form.family,
            fingerprint=fingerprint,
            split=plan.split,
            first=plan.first,
            count=plan.count,
            pairs=plan.count - len(shard.gaps.absent),
            absent=tuple(shard.gaps.absent),
            rejects=dict(sorted(shard.gaps.rejects.items())),
            files=tuple(FileRecord.of(file, layout.relative(final)) for file, final in finals),
        )
        for file, final in finals:
            publish(file, final)
        publish_bytes(receipt.to_json(), layout.receipt(plan.name, form.family), layout.drafts)
