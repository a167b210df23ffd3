"""Pairs -> tar, index, receipt: drafted aside, published whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.index import pair_row, reject_row, write_index
from rmod_pipeline.shards.layout import AUDIO, Layout, ShardPlan
from rmod_pipeline.shards.members import Form, encode_members
from rmod_pipeline.shards.publish import draft, publish, publish_bytes
from rmod_pipeline.shards.receipt import FileRecord, Receipt
from rmod_pipeline.shards.tar import TarWriter


class AudioShard:
    """A shard of sound being written: pairs and rejects in, a receipt out."""

    def __init__(self, tar: TarWriter, library: Library, form: Form) -> None:
        self._tar, self._library, self._form = tar, library, form
        self.rows: list[dict[str, Any]] = []
        self.absent: list[str] = []
        self.rejects: Counter[str] = Counter()

    def add(self, pair: Pair) -> None:
        """Append a pair to the tar and the index."""
        members = encode_members(pair, self._library, self._form)
        self._tar.add(pair.spec.key, members)
        self.rows.append(pair_row(pair, members, self._library))

    def reject(self, pair: Pair, stage: str, reason: str) -> None:
        """Record a pair that ought not to be."""
        self.rows.append(reject_row(pair, stage, reason, self._library))
        self.rejects[reason] += 1

    def leave_out(self, key: str) -> None:
        """Record a key that had only rejects."""
        self.absent.append(key)


@contextmanager
def write_audio_shard(
    plan: ShardPlan, layout: Layout, library: Library, form: Form, fingerprint: str
) -> Iterator[AudioShard]:
    """Give a shard to fill; on leaving without an exception it is published, its receipt last."""
    with draft(layout.drafts, f"{plan.name}.tar") as tar, draft(layout.drafts, f"{plan.name}.parquet") as index:
        with TarWriter(tar) as writer:
            shard = AudioShard(writer, library, form)
            yield shard
        write_index(shard.rows, index)
        finals = ((tar, layout.tar(plan.name)), (index, layout.index(plan.name)))
        receipt = Receipt(
            shard=plan.name,
            family=AUDIO,
            fingerprint=fingerprint,
            split=plan.split,
            first=plan.first,
            count=plan.count,
            pairs=plan.count - len(shard.absent),
            absent=tuple(shard.absent),
            rejects=dict(sorted(shard.rejects.items())),
            files=tuple(FileRecord.of(file, layout.relative(final)) for file, final in finals),
        )
        for file, final in finals:
            publish(file, final)
        publish_bytes(receipt.to_json(), layout.receipt(plan.name), layout.drafts)
