"""Write a shard of what is computed from the windows of sounds, tokens or features, and publish it with a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import FileRecord, MissingPairs
from rmod_pipeline.shards.tar import TarWriter
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.shards.writer import PublishingWriter
from rmod_pipeline.storage.publish import draft, publish


class WindowShardWriter(PublishingWriter):
    """Define the base of the writers of tokens and of features; pairs must be added in the order of their keys.

    ``missing`` are the missing pairs of the audio shard; it may be filled until the context is left.
    """

    def __init__(self, plan: ShardPlan, layout: Layout, family: WindowFamily, missing: MissingPairs) -> None:
        super().__init__(plan, layout, missing)
        self._family = family
        self._tar: TarWriter | None = None
        self._pairs = 0

    def _append(self, key: str, members: Mapping[str, bytes]) -> None:
        """Append the files of a pair, by suffix. Raises RuntimeError outside the context."""
        if self._tar is None:
            raise RuntimeError(f"{self._plan.name} is not open")
        self._tar.add(key, members)
        self._pairs += 1

    @contextmanager
    def _write(self) -> Iterator[None]:
        plan, layout, family = self._plan, self._layout, self._family
        with draft(layout.drafts, f"{plan.name}.{family.top}.tar") as tar:
            with TarWriter(tar) as self._tar:
                yield
            final = layout.tar(plan.name, family.folder)
            files = (FileRecord.of(tar, layout.relative(final)),)
            publish(tar, final)
            self._publish_receipt(family.folder, family.digest(), self._pairs, files)
