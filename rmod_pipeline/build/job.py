"""The job: what every worker does with a shard. The story of the whole pipeline is `build_shard`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rmod_pipeline.build.plan import Counts
from rmod_pipeline.build.reject import Reject, judge
from rmod_pipeline.compose import Palette, compose_pair, settings_for
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import Pair, PitchCache, Sounds, render_pair
from rmod_pipeline.shards.fingerprint import digest, versions
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import Form
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.write import write_audio_shard
from rmod_pipeline.spec import Address, Settings

STORE_BYTES = 64 * 2**20
"""Decoded sounds kept besides the prepared ones, which are what is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to build, from what, to where: all that a worker must know, ready to be sent to one."""

    recipe: Recipe
    library: Library
    seed: int
    counts: Counts
    shard_size: int
    engine: str
    audio_format: str
    stems: bool
    out: Path
    cache: Path
    cache_bytes: int

    @property
    def layout(self) -> Layout:
        return Layout(self.out)

    @property
    def form(self) -> Form:
        """How the sound is stored."""
        return Form(audio_format=self.audio_format, stem_kinds=self.recipe.kinds if self.stems else ())

    def fingerprint(self) -> dict[str, Any]:
        """Return all that decides the bytes; not where they go, who makes them or how fast."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "library": {"digest": self.library.digest, "sounds": len(self.library.assets)},
            "seed": self.seed,
            "pairs": dict(self.counts),
            "shard_size": self.shard_size,
            "engine": self.engine,
            "format": self.audio_format,
            "stems": self.stems,
            "versions": versions(self.engine),
        }


class Studio:
    """What a worker keeps open between shards: the sounds, and the splits laid out for drawing."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.settings: Settings = settings_for(job.recipe, job.engine)
        store = AudioStore(job.library, job.recipe.sample_rate, STORE_BYTES)
        self.sounds = Sounds(store, PitchCache(job.cache, job.cache_bytes))
        self.fingerprint = digest(job.fingerprint())
        self._palettes: dict[str, Palette] = {}

    def palette(self, split: str) -> Palette:
        """Return the sounds of a split. Raises LibraryError if they do not suffice."""
        if split not in self._palettes:
            self._palettes[split] = Palette.of(self.job.recipe, self.job.library, split)
        return self._palettes[split]


def build_shard(plan: ShardPlan, studio: Studio, on_pair: Callable[[], None] = lambda: None) -> Receipt:
    """Make one shard: address -> PairSpec -> Pair -> tar and index -> receipt.

    Raises AssetError for a sound that cannot be read: the shard fails and nothing of it is published.
    """
    job = studio.job
    writer = write_audio_shard(plan, job.layout, job.library, job.form, studio.fingerprint)
    with writer as shard:
        for address in plan.addresses(job.seed):
            for pair, reject in attempts(address, studio):
                if reject is None:
                    shard.add(pair)
                    break
                shard.reject(pair, reject.stage, reject.reason)
            else:
                shard.leave_out(address.key)
            on_pair()
    return read_receipt(job.layout.receipt(plan.name))


def attempts(address: Address, studio: Studio) -> Iterator[tuple[Pair, Reject | None]]:
    """Yield an address's pairs, attempt by attempt, each with the reason against it if there is one."""
    recipe = studio.job.recipe
    for attempt in range(recipe.reject.attempts):
        pair = make_pair(replace(address, attempt=attempt), studio)
        yield pair, judge(pair.measured, recipe.reject)


def make_pair(address: Address, studio: Studio) -> Pair:
    """Compose and render the pair at an address."""
    spec = compose_pair(studio.job.recipe, studio.palette(address.split), studio.settings, address)
    return render_pair(spec, studio.sounds)
