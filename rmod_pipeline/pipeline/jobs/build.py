"""Define the job that builds a data set from a recipe and a library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.patterns.manifest import Grooves
from rmod_pipeline.pipeline.encoding import EncodeBatch, TokenSettings
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.jobs.context import WorkerContext
from rmod_pipeline.pipeline.plan import Counts
from rmod_pipeline.recipe import Recipe, dump_decisive
from rmod_pipeline.shards.fingerprint import GROOVES, LICENCES, fingerprint_digest, output_versions
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import AudioStorage
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.storage import Location, StorePath

SAMPLED_SOUNDS = 16
"""Number of a library's sounds, or of performances, that show whether a machine can read them."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class BuildJob(Job):
    """One build: everything that a worker needs to know, small enough to be sent to it."""

    recipe: Recipe
    library: Library
    grooves: Grooves | None = None
    """The performances that the recipe plays; None if it plays random hits."""
    seed: int
    counts: Counts
    shard_size: int
    engine: str
    audio_format: str
    stems: bool
    licences: LicenceClass = LicenceClass.ANY
    """The class of licences that ``library`` was limited to."""
    audio: bool = True
    """Whether audio is kept; False for a build of tokens or features alone."""
    encoding: TokenSettings | None = None
    """The tokens to make, or None."""
    features: FeatureFamily | None = None
    """The features to make, or None."""
    out: Location
    cache: Path | None = None
    """The folder of prepared sounds; by default each machine uses its own cache folder."""
    cache_bytes: int
    """Limit of that folder in bytes."""

    @property
    def layout(self) -> Layout:
        """The layout of the data set."""
        return Layout(self.out)

    @property
    def storage(self) -> AudioStorage:
        """How the audio is stored."""
        stems = self.recipe.kinds if self.stems else ()
        return AudioStorage(audio_format=self.audio_format, stem_kinds=stems, kept=self.audio)

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """The content of build.json: everything that decides the bytes, not where and by whom they are made.

        Tokens and features have fingerprints of their own, which contain the digest of this one, so both can be added
        later.
        """
        return {
            "recipe": dump_decisive(self.recipe),
            "library": self._library_record,
            **self._groove_record,
            "seed": self.seed,
            "pairs": dict(self.counts),
            "shard_size": self.shard_size,
            "engine": self.engine,
            "format": self.audio_format,
            "stems": self.stems,
            "audio": self.audio,
            "versions": output_versions(self.engine),
        }

    @property
    def _library_record(self) -> dict[str, Any]:
        """The sounds in the fingerprint. A class of licences is in it only where it limits them."""
        record = {"digest": self.library.digest, "sounds": len(self.library.assets)}
        limited = self.licences is not LicenceClass.ANY
        return {**record, LICENCES: self.licences.value} if limited else record

    @property
    def _groove_record(self) -> dict[str, Any]:
        """The grooves in the fingerprint, where the recipe plays some."""
        grooves = self.grooves
        return {GROOVES: {"digest": grooves.digest, "performances": len(grooves.entries)}} if grooves else {}

    @cached_property
    def digest(self) -> str:
        """The digest of the fingerprint."""
        return fingerprint_digest(self.fingerprint)

    @cached_property
    def families(self) -> dict[str, str]:
        """The families of shards to make, each with the digest in its receipts."""
        return {self.storage.family: self.digest, **{each.folder: each.digest() for each in self.window_families}}

    @property
    def window_families(self) -> list[WindowFamily]:
        """The tokens and features to make."""
        return [*([self.encoding.family] if self.encoding else []), *([self.features] if self.features else [])]

    def required_files(self) -> list[Location]:
        """Return build.json and a sample of sounds and performances; on a store one of each, to save requests."""
        sounds = _sample(self.library.assets, self.library.root)
        files = [self.layout.build, *(self.library.path_of(asset) for asset in sounds)]
        if self.grooves:
            files += map(self.grooves.path_of, _sample(self.grooves.entries, self.grooves.root))
        return files

    def open(self, encode: EncodeBatch | None = None) -> WorkerContext:
        """Open the build in a worker. ``encode`` encodes batches, if the build makes tokens."""
        return WorkerContext(self, encode)


def _sample(items: Sequence[Item], root: Location) -> Sequence[Item]:
    """Return items spread over all of them."""
    count = 1 if isinstance(root, StorePath) else SAMPLED_SOUNDS
    return items[:: max(1, -(-len(items) // count))]
