"""What to build, from which sounds, to where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.library.asset import Library
from rmod_pipeline.pipeline.context import WorkerContext
from rmod_pipeline.pipeline.encoding import EncodeBatch, TokenSettings
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.plan import Counts
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.completion import is_done
from rmod_pipeline.shards.fingerprint import fingerprint_digest, package_versions
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import AudioStorage
from rmod_pipeline.storage import Location, StorePath

SOUNDS_LOOKED_AT = 16
"""Of a library, to see whether a machine can read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob(Job):
    """One build: everything a worker needs to know, small enough to be sent to it."""

    recipe: Recipe
    library: Library
    seed: int
    counts: Counts
    shard_size: int
    engine: str
    audio_format: str
    stems: bool
    audio: bool = True
    """Whether sound is kept; a build of tokens can do without."""
    encoding: TokenSettings | None = None
    """The tokens to make beside the sound, or in its place."""
    out: Location
    cache: Path | None = None
    """Where loops shifted in pitch are kept; by default where each machine keeps what it keeps."""
    cache_bytes: int

    @property
    def layout(self) -> Layout:
        return Layout(self.out)

    @property
    def form(self) -> AudioStorage:
        """How the sound is stored."""
        stems = self.recipe.kinds if self.stems else ()
        return AudioStorage(audio_format=self.audio_format, stem_kinds=stems, kept=self.audio)

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides the bytes; not where they go, who makes them or how fast.

        Tokens have a fingerprint of their own, which names this one: any number of codecs can be added.
        """
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "library": {"digest": self.library.digest, "sounds": len(self.library.assets)},
            "seed": self.seed,
            "pairs": dict(self.counts),
            "shard_size": self.shard_size,
            "engine": self.engine,
            "format": self.audio_format,
            "stems": self.stems,
            "audio": self.audio,
            "versions": package_versions(self.engine),
        }

    def digest(self) -> str:
        """Return the digest of the fingerprint."""
        return fingerprint_digest(self.fingerprint())

    def families(self) -> dict[str, str]:
        """Return the families of shards to make, each with the digest that its receipts bear."""
        found = {self.form.family: self.digest()}
        if self.encoding:
            found[self.encoding.family.folder] = self.encoding.family.digest()
        return found

    def needed(self) -> list[Location]:
        """Return what every machine must be able to read: the data set's own, and some of the library's sounds; of one
        on an object store a single sound, each being a request."""
        assets = self.library.assets
        most = 1 if isinstance(self.library.root, StorePath) else SOUNDS_LOOKED_AT
        some = assets[:: max(1, -(-len(assets) // most))]
        return [self.layout.build, *(self.library.path_of(one) for one in some)]

    def open(self, encode: EncodeBatch | None = None) -> WorkerContext:
        """Open it on a worker."""
        return WorkerContext(self, encode)

    def missing(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that lack a family. Raises BuildError for a receipt of another data set."""
        families = self.families().items()
        layout = self.layout.with_receipts([plan.name for plan in plans], self.families())
        return [
            plan for plan in plans if not all(is_done(plan.name, family, layout, said) for family, said in families)
        ]
