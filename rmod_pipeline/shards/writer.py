"""Write a shard of pairs, an audio tar and an index, as drafts, and publish them with a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Self

from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.index import NOTICES, make_pair_row, make_refused_row, make_reject_row, write_index
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.shards.receipt import FileRecord, MissingPairs, Receipt
from rmod_pipeline.shards.tar import TarWriter
from rmod_pipeline.spec import PairId
from rmod_pipeline.storage.publish import draft, publish, publish_bytes


class PublishingWriter(AbstractContextManager["PublishingWriter"]):
    """Define the base of the writers of one shard of one family.

    Leaving the context without an exception publishes the files, and the receipt last. Leaving it with an exception
    removes the drafts and publishes nothing.
    """

    def __init__(self, plan: ShardPlan, layout: Layout, missing: MissingPairs) -> None:
        self._plan, self._layout = plan, layout
        self.missing = missing
        """Rejected attempts and absent keys so far."""
        self._receipt: Receipt | None = None
        self._drafts: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> Self:
        self._drafts = self._write()
        self._drafts.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._drafts.__exit__(kind, error, trace)

    @property
    def receipt(self) -> Receipt:
        """The receipt of the published shard. Raises RuntimeError before the shard is published."""
        if self._receipt is None:
            raise RuntimeError(f"{self._plan.name} is not published yet")
        return self._receipt

    @contextmanager
    def _write(self) -> Iterator[None]:
        """Open the drafts, yield while the caller fills them, then publish them."""
        raise NotImplementedError
        yield

    def _publish_receipt(self, family: str, fingerprint: str, pairs: int, files: tuple[FileRecord, ...]) -> None:
        plan, layout = self._plan, self._layout
        self._receipt = Receipt(
            shard=plan.name,
            family=family,
            fingerprint=fingerprint,
            split=plan.split,
            first=plan.first,
            count=plan.count,
            pairs=pairs,
            absent=tuple(self.missing.absent),
            rejects=dict(sorted(self.missing.rejects.items())),
            files=files,
        )
        publish_bytes(self._receipt.to_json(), layout.receipt(plan.name, family), layout.drafts)


class ShardWriter(PublishingWriter):
    """Write the audio tar and the index of one shard."""

    def __init__(
        self, plan: ShardPlan, layout: Layout, library: Library, storage: AudioStorage, fingerprint: str
    ) -> None:
        super().__init__(plan, layout, MissingPairs())
        self._library, self._storage, self._fingerprint = library, storage, fingerprint
        self._tar: TarWriter | None = None
        self._rows: list[dict[str, Any]] = []

    def add(self, pair: Pair) -> dict[str, bytes]:
        """Append a pair to the index, and to the tar if audio is kept; return its files by suffix."""
        members = encode_members(pair, self._library, self._storage)
        if self._tar:
            self._tar.add(pair.spec.key, members)
        self._rows.append(make_pair_row(pair, members, self._library))
        return members

    def reject(self, pair: Pair, stage: str, reason: str) -> None:
        """Record a rejected attempt in the index."""
        self._rows.append(make_reject_row(pair, stage, reason, self._library))
        self.missing.rejects[reason] += 1

    def leave_out(self, key: str) -> None:
        """Record a key whose attempts were all rejected."""
        self.missing.absent.append(key)

    @contextmanager
    def _write(self) -> Iterator[None]:
        plan, layout, storage = self._plan, self._layout, self._storage
        with draft(layout.drafts, f"{plan.name}.tar") as tar, draft(layout.drafts, f"{plan.name}.parquet") as index:
            with TarWriter(tar) if storage.kept else nullcontext() as self._tar:
                yield
            write_index(self._rows, index)
            finals = [(tar, layout.tar(plan.name))] if storage.kept else []
            finals.append((index, layout.index(plan.name)))
            files = tuple(FileRecord.of(file, layout.relative(final)) for file, final in finals)
            for file, final in finals:
                publish(file, final)
            pairs = plan.count - len(self.missing.absent)
            self._publish_receipt(storage.family, self._fingerprint, pairs, files)


class ImportShardWriter(ShardWriter):
    """Write the audio tar and the index of one shard of imported pairs."""

    def add_imported(self, pair: Pair, notices: Sequence[str]) -> None:
        """Append a pair. ``notices`` say what was changed of its files, in words that can be counted."""
        self.add(pair)
        self._rows[-1][NOTICES] = list(notices)

    def refuse(self, pair: PairId, original_key: str, reason: str, notices: Sequence[str]) -> None:
        """Record a pair whose files cannot be imported; its key stays absent.

        ``reason``: in words that can be counted. ``notices``: what was found.
        """
        self._rows.append(make_refused_row(pair, original_key, reason, notices))
        self.missing.rejects[reason] += 1
        self.leave_out(pair.key)
