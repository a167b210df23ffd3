"""The job: what every worker does with a shard. The story of the whole pipeline is `build_shard`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rmod_pipeline.build.encode import encode_shard
from rmod_pipeline.build.encoding import Ahead, Encode, Encoding, ShardEncoder, encode_token_shard
from rmod_pipeline.build.making import making_pair
from rmod_pipeline.build.plan import Counts
from rmod_pipeline.build.receipts import is_done
from rmod_pipeline.build.reject import Reject, judge
from rmod_pipeline.compose import Palette, compose_pair, settings_for
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render import Pair, PitchCache, Sounds, render_pair
from rmod_pipeline.render.pitch import pitch_folder
from rmod_pipeline.shards.fingerprint import digest, versions
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import MIX, Form
from rmod_pipeline.shards.publish import sweep_drafts
from rmod_pipeline.shards.receipt import Gaps, Receipt, read_receipt
from rmod_pipeline.shards.write import write_pair_shard
from rmod_pipeline.spec import Address, Settings
from rmod_pipeline.storage import Place, StorePath

SOUNDS_LOOKED_AT = 16
"""Of a library, to see whether a machine can read it."""

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
    audio: bool = True
    """Whether sound is kept; a build of tokens can do without."""
    encoding: Encoding | None = None
    """The tokens to make beside the sound, or in its place."""
    out: Place
    cache: Path | None = None
    """Where loops shifted in pitch are kept; by default where each machine keeps what it keeps."""
    cache_bytes: int

    @property
    def layout(self) -> Layout:
        return Layout(self.out)

    @property
    def form(self) -> Form:
        """How the sound is stored."""
        stems = self.recipe.kinds if self.stems else ()
        return Form(audio_format=self.audio_format, stem_kinds=stems, kept=self.audio)

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
            "versions": versions(self.engine),
        }

    def digest(self) -> str:
        """Return the digest of the fingerprint."""
        return digest(self.fingerprint())

    def families(self) -> dict[str, str]:
        """Return the families of shards to make, each with the digest that its receipts bear."""
        found = {self.form.family: self.digest()}
        if self.encoding:
            found[self.encoding.family.family] = self.encoding.family.digest()
        return found

    def needed(self) -> list[Place]:
        """Return what every machine must be able to read: the data set's own, and some of the library's sounds; of one
        on an object store a single sound, each being a request."""
        assets = self.library.assets
        most = 1 if isinstance(self.library.root, StorePath) else SOUNDS_LOOKED_AT
        some = assets[:: max(1, -(-len(assets) // most))]
        return [self.layout.build, *(self.library.path_of(one) for one in some)]

    def open(self, encode: Encode | None = None) -> Studio:
        """Open it on a worker."""
        return Studio(self, encode)

    def missing(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that lack a family. Raises BuildError for a receipt of another data set."""
        families = self.families().items()
        layout = self.layout.with_receipts([plan.name for plan in plans], self.families())
        return [
            plan for plan in plans if not all(is_done(plan.name, family, layout, said) for family, said in families)
        ]


class Studio:
    """What a worker keeps open between shards: the sounds, the splits laid out for drawing, the way to the encoder."""

    def __init__(self, job: Job, encode: Encode | None = None) -> None:
        self.job = job
        if isinstance(job.out, StorePath):
            sweep_drafts(job.layout.drafts)  # those of workers that died on this machine, which the driver may not see
        self.settings: Settings = settings_for(job.recipe, job.engine)
        store = AudioStore(job.library, job.recipe.sample_rate, STORE_BYTES)
        self.sounds = Sounds(store, PitchCache(job.cache or pitch_folder(), job.cache_bytes))
        self.fingerprint = job.digest()
        self._families = tuple(job.families())
        self.ahead = Ahead(encode) if encode else None
        self._palettes: dict[str, Palette] = {}

    def palette(self, split: str) -> Palette:
        """Return the sounds of a split. Raises LibraryError if they do not suffice."""
        if split not in self._palettes:
            self._palettes[split] = Palette.of(self.job.recipe, self.job.library, split)
        return self._palettes[split]

    def done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has all its receipts."""
        return all(self.job.layout.receipt(plan.name, family).exists() for family in self._families)

    def make(self, plan: ShardPlan, on_pair: Callable[[], None] = lambda: None) -> Receipt:
        """Make a shard; where only its tokens are missing, from its sound."""
        job = self.job
        if job.audio and job.encoding and self.ahead and job.layout.receipt(plan.name).exists():
            return encode_shard(plan, job.layout, job.encoding, self.ahead, on_pair)
        return build_shard(plan, self, on_pair)

    @property
    def waited(self) -> float:
        """Seconds that it stood still because the encoder was behind."""
        return self.ahead.waited if self.ahead else 0.0

    def close(self) -> None:
        """Let go of the encoder."""
        if self.ahead:
            self.ahead.close()


def build_shard(plan: ShardPlan, studio: Studio, on_pair: Callable[[], None] = lambda: None) -> Receipt:
    """Make one shard: address -> PairSpec -> Pair -> Tokens -> tars and index -> receipts.

    Raises AssetError for a sound that cannot be read: the shard fails and nothing of it is published.
    """
    job = studio.job
    writer = write_pair_shard(plan, job.layout, job.library, job.form, studio.fingerprint)
    with writer as shard, _tokens(plan, studio, shard.gaps) as tokens:
        for address in plan.addresses(job.seed):
            for pair, reject in attempts(address, studio):
                if reject is None:
                    members = shard.add(pair)
                    if tokens:
                        tokens.add(pair.spec.key, {MIX: pair.mix, **pair.targets}, members["json"])
                    break
                shard.reject(pair, reject.stage, reject.reason)
            else:
                shard.leave_out(address.key)
            on_pair()
    return read_receipt(job.layout.receipt(plan.name, job.form.family))


def _tokens(plan: ShardPlan, studio: Studio, gaps: Gaps) -> AbstractContextManager[ShardEncoder | None]:
    """Give what takes a shard's pairs to the encoder; nothing if no tokens are asked for."""
    job = studio.job
    if job.encoding is None or studio.ahead is None:
        return nullcontext()
    return encode_token_shard(plan, job.layout, job.encoding, studio.ahead, gaps)


def attempts(address: Address, studio: Studio) -> Iterator[tuple[Pair, Reject | None]]:
    """Yield an address's pairs, attempt by attempt, each with the reason against it if there is one."""
    recipe = studio.job.recipe
    making_pair(address.key)
    for attempt in range(recipe.reject.attempts):
        pair = make_pair(replace(address, attempt=attempt), studio)
        yield pair, judge(pair.measured, recipe.reject)


def make_pair(address: Address, studio: Studio) -> Pair:
    """Compose and render the pair at an address."""
    spec = compose_pair(studio.job.recipe, studio.palette(address.split), studio.settings, address)
    return render_pair(spec, studio.sounds)
