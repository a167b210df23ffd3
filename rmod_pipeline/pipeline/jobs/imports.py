"""Define the job that imports a folder of pairs: it makes a data set of files in place of a recipe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rmod_pipeline.effects import PEDALBOARD
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.pairs.folder import LeftOut, PairFiles
from rmod_pipeline.pipeline.encoding import EncodeBatch
from rmod_pipeline.pipeline.jobs.base import Job, ShardMaker
from rmod_pipeline.pipeline.jobs.imported_pair import ImportedPair, PairReader
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import fingerprint_digest, output_versions
from rmod_pipeline.shards.layout import AUDIO, Layout, ShardPlan
from rmod_pipeline.shards.members import AudioStorage
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.shards.writer import ImportShardWriter
from rmod_pipeline.storage import Location, StorePath
from rmod_pipeline.storage.publish import sweep_drafts

IMPORT_SEED = 0
"""The seed in the address of every imported pair: nothing is drawn."""


@dataclass(frozen=True, kw_only=True)
class ImportJob(Job):
    """One import: everything that a worker needs to know."""

    recipe: Recipe
    """What all pairs share: kinds, sample rate and length."""
    library: Library
    """The files, each an asset whose id is its path."""
    pairs: Mapping[str, tuple[PairFiles, ...]]
    """The pairs of each split, in the order of their keys."""
    left_out: tuple[LeftOut, ...]
    """What the folder holds beside them."""
    shard_size: int
    audio_format: str
    out: Location

    @property
    def layout(self) -> Layout:
        """The layout of the data set."""
        return Layout(self.out)

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs of each split, those that turn out to be unusable included."""
        return {split: len(pairs) for split, pairs in self.pairs.items()}

    @property
    def storage(self) -> AudioStorage:
        """How the audio is stored."""
        return AudioStorage(audio_format=self.audio_format)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The content of build.json: everything that decides the bytes, not where the folder is."""
        reader = PairReader(library=self.library, recipe=self.recipe)
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "library": {"digest": self._digest_of_files(), "sounds": len(self.library.assets)},
            "seed": IMPORT_SEED,
            "pairs": self.counts,
            "shard_size": self.shard_size,
            "engine": reader.settings.engine,
            "format": self.audio_format,
            "stems": False,
            "audio": True,
            "versions": output_versions(PEDALBOARD),
        }

    def _digest_of_files(self) -> str:
        """Return the SHA-256 over the files and which of them belong together."""
        digest = hashlib.sha256(self.library.digest.encode())
        for split, pairs in self.pairs.items():
            for pair in pairs:
                digest.update(json.dumps([split, pair.name, dict(pair.sounds), pair.onsets]).encode() + b"\n")
        return digest.hexdigest()

    @cached_property
    def digest(self) -> str:
        """The digest of the fingerprint."""
        return fingerprint_digest(self.fingerprint)

    @property
    def families(self) -> dict[str, str]:
        """The audio, with the digest in its receipts."""
        return {AUDIO: self.digest}

    @property
    def window_families(self) -> list[WindowFamily]:
        """None: tokens and features are made of the imported audio."""
        return []

    @property
    def encoding(self) -> None:
        """No tokens: `rmod encode` makes them."""
        return

    def required_files(self) -> list[Location]:
        """Return build.json and the first file of the folder."""
        return [self.layout.build, *(self.library.path_of(asset) for asset in self.library.assets[:1])]

    def open(self, encode: EncodeBatch | None = None) -> ImportContext:  # noqa: ARG002
        """Open the import in a worker."""
        return ImportContext(self)


class ImportContext(ShardMaker):
    """What a worker keeps open between the shards of an import."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._reader = PairReader(library=job.library, recipe=job.recipe)
        if isinstance(job.out, StorePath):
            sweep_drafts(job.layout.drafts)

    def is_done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has its receipt."""
        return bool(self._job.layout.receipt(plan.name).exists())

    def make(self, plan: ShardPlan, on_pair: Callable[[], None] = lambda: None) -> Receipt:
        """Import the pairs of a shard; ``on_pair``: after every pair. Raises AssetError for a file that changed."""
        job = self._job
        writer = ImportShardWriter(plan, job.layout, job.library, job.storage, job.digest)
        with writer:
            for pair_id in plan.pair_ids(IMPORT_SEED):
                set_current_pair(pair_id.key)
                files = job.pairs[plan.split][pair_id.index]
                read = self._reader.read(files, pair_id)
                if isinstance(read, ImportedPair):
                    writer.add_imported(read.pair, read.notices)
                else:
                    writer.refuse(pair_id, files.name, read.reason, [read.found])
                on_pair()
        return writer.receipt

    @property
    def waited(self) -> float:
        """No time: an import has no encoder."""
        return 0.0

    def close(self) -> None:
        """Close nothing."""
