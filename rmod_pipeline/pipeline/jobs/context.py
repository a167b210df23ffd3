"""Keep open what a worker needs between the shards of a build."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmod_pipeline.compose import SplitAssets, make_settings
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.pipeline.encoding import EncodeBatch, PrefetchEncoder
from rmod_pipeline.pipeline.jobs.base import ShardMaker
from rmod_pipeline.pipeline.jobs.from_audio import make_from_audio
from rmod_pipeline.pipeline.shard import build_shard
from rmod_pipeline.pipeline.shard_output import ShardOutput
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import PreparedCache, Sounds
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.spec import Settings
from rmod_pipeline.storage import StorePath
from rmod_pipeline.storage.publish import sweep_drafts

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.jobs.build import BuildJob

STORE_BYTES = 64 * 2**20
"""Decoded sounds kept in memory, in bytes, in addition to the prepared sounds that are reused."""


class WorkerContext(ShardMaker):
    """The open sounds, the assets of each split, and the connection to the encoder."""

    def __init__(self, job: BuildJob, encode: EncodeBatch | None = None) -> None:
        self.job = job
        if isinstance(job.out, StorePath):
            # Drafts of a worker that died on this machine are in its cache, which the driver may not see.
            sweep_drafts(job.layout.drafts)
        self.settings: Settings = make_settings(job.recipe, job.engine)
        store = AudioStore(job.library, job.recipe.sample_rate, STORE_BYTES)
        # A folder that the user named may be on a network, where another machine may remove a file that is in use here.
        cache = PreparedCache(job.cache or prepared_folder(), job.cache_bytes, maps=job.cache is None)
        self.sounds = Sounds(store, cache)
        self.fingerprint = job.digest
        self.encoder = PrefetchEncoder(encode) if encode else None
        self._families = tuple(job.families)
        self._assets: dict[str, SplitAssets] = {}

    @property
    def recipe(self) -> Recipe:
        """The recipe that is built."""
        return self.job.recipe

    @property
    def seed(self) -> int:
        """The seed of the build."""
        return self.job.seed

    def assets(self, split: str) -> SplitAssets:
        """Return the sounds of a split, ready for drawing. Raises LibraryError if there are too few for the recipe."""
        if split not in self._assets:
            self._assets[split] = SplitAssets.of(self.recipe, self.job.library, split, self.job.grooves)
        return self._assets[split]

    def open_output(self, plan: ShardPlan) -> ShardOutput:
        """Return a writer for the audio, tokens, features and index of one shard."""
        job = self.job
        return ShardOutput(
            plan,
            job.layout,
            job.library,
            job.storage,
            self.fingerprint,
            encoding=job.encoding,
            encoder=self.encoder,
            features=job.features,
        )

    def is_done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has a receipt in each of its families."""
        return all(self.job.layout.receipt(plan.name, family).exists() for family in self._families)

    def make(self, plan: ShardPlan, on_pair: Callable[[], None] = lambda: None) -> Receipt:
        """Build a shard, or make what is missing from its audio if that is done; ``on_pair``: after every pair."""
        job = self.job
        if job.audio and job.window_families and job.layout.receipt(plan.name).exists():
            return make_from_audio(
                plan, job.layout, on_pair, encoding=job.encoding, encoder=self.encoder, features=job.features
            )
        return build_shard(plan, self, on_pair)

    @property
    def waited(self) -> float:
        """Seconds that this worker waited for the encoder."""
        return self.encoder.waited if self.encoder else 0.0

    def close(self) -> None:
        """Close the connection to the encoder."""
        if self.encoder:
            self.encoder.close()
