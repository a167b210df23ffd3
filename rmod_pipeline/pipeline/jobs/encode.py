"""Finished sound -> tokens: a family added to a data set that is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.pipeline.encoding import EncodeBatch, PrefetchEncoder, ShardTokenizer, TokenSettings
from rmod_pipeline.pipeline.jobs.base import Job, ShardMaker
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.shards.completion import is_done
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import decode_audio, find_audio_member
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeJob(Job):
    """Which finished data set to encode, and into what."""

    out: Location
    encoding: TokenSettings

    @property
    def layout(self) -> Layout:
        return Layout(self.out)

    def plans(self) -> list[ShardPlan]:
        """Return the shards whose sound is there. Raises ShardError where there is none."""
        fingerprint = read_fingerprint(self.layout.build)
        if not fingerprint["audio"]:
            hint = "give the build command again with this --codec: its pairs are rendered again"
            raise BuildError(self.out, "keeps no sound that could be encoded", hint)
        there = {path.stem for path in self.layout.receipts(AUDIO)}
        plans = [plan for plan in plan_shards(fingerprint["pairs"], fingerprint["shard_size"]) if plan.name in there]
        if not plans:
            raise ShardError(self.out, "no finished shards here", "build the data set first: rmod build")
        return plans

    def digest(self) -> str:
        """Return the digest that the receipts bear."""
        return self.encoding.family.digest()

    def needed(self) -> list[Location]:
        """Return what every machine must be able to read."""
        return [self.layout.build]

    def open(self, encode: EncodeBatch | None) -> EncodeContext:
        """Open it on a worker."""
        if encode is None:
            raise ValueError("encoding needs an encoder")
        return EncodeContext(self, PrefetchEncoder(encode))

    def missing(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that have no tokens yet. Raises BuildError for a receipt of other tokens."""
        said = self.digest()
        family = self.encoding.family.folder
        layout = self.layout.with_receipts([plan.name for plan in plans], [family])
        return [plan for plan in plans if not is_done(plan.name, family, layout, said)]


class EncodeContext(ShardMaker):
    """What a worker keeps open between shards: the connection to the encoder."""

    def __init__(self, job: EncodeJob, encoder: PrefetchEncoder) -> None:
        self.job, self.encoder = job, encoder

    def done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has its receipt."""
        return self.job.layout.receipt(plan.name, self.job.encoding.family.folder).exists()

    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Encode a shard."""
        return encode_shard(plan, self.job.layout, self.job.encoding, self.encoder, on_pair)

    @property
    def waited(self) -> float:
        """Seconds that it stood still because the encoder was behind."""
        return self.encoder.waited

    def close(self) -> None:
        """Let go of the encoder."""
        self.encoder.close()


def encode_shard(
    plan: ShardPlan, layout: Layout, encoding: TokenSettings, encoder: PrefetchEncoder, on_pair: Callable[[], None]
) -> Receipt:
    """Make a shard's tokens from its sound: tar -> windows -> tokens -> tar -> receipt.

    The same bytes as if they had been made while it was rendered. Raises ShardError for a shard that is damaged.
    """
    family = encoding.family
    receipt = read_receipt(layout.receipt(plan.name))
    with ShardTokenizer(plan, layout, encoding, encoder, receipt.missing) as tokens:
        for key, sounds, description in _pairs(layout.tar(plan.name), family.windows, int(family.codec["sample_rate"])):
            set_current_pair(key)
            tokens.add(key, sounds, description)
            on_pair()
    return tokens.receipt


def _pairs(tar: Location, wanted: Iterable[str], sample_rate: int) -> Iterator[tuple[str, dict[str, Pcm], bytes]]:
    """Yield key, 16-bit sounds and JSON of the pairs of a tar. Raises ShardError."""
    for key, members in read_tar(tar):
        sounds: dict[str, Pcm] = {}
        for sound in wanted:
            name = find_audio_member(members, sound)
            if name is None or "json" not in members:
                raise ShardError(tar, f"{key} has no {sound}", "`rmod verify OUT` says what is damaged")
            sounds[sound], rate = decode_audio(members[name])
            if rate != sample_rate:
                found = f"{key}.{sound} is at {rate} Hz, the codec takes {sample_rate} Hz"
                raise ShardError(tar, found, "choose another codec")
        yield key, sounds, members["json"]
