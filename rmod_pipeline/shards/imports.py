"""Write a shard of imported pairs: the audio tar and the index, in which pairs keep the names that they came with."""

from __future__ import annotations

from collections.abc import Sequence

from rmod_pipeline.render import Pair
from rmod_pipeline.shards.index import NOTICES, make_refused_row
from rmod_pipeline.shards.writer import ShardWriter
from rmod_pipeline.spec import PairId


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
