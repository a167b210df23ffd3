"""Define the job that adds tokens to a finished data set, from its audio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import BuildError, ShardError, naming_data_set, quote
from rmod_pipeline.pipeline.encoding import EncodeBatch, PrefetchEncoder, ShardTokenizer, TokenSettings
from rmod_pipeline.pipeline.jobs.base import Job, ShardMaker
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import decode_audio, find_audio_member
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeJob(Job):
    """The encoding of a finished data set: the data set, and the tokens to make."""

    out: Location
    encoding: TokenSettings

    @property
    def layout(self) -> Layout:
        """The layout of the data set."""
        return Layout(self.out)

    @property
    def digest(self) -> str:
        """The digest of codec.json."""
        return self.encoding.family.digest()

    @property
    def families(self) -> dict[str, str]:
        """The family of tokens, with the digest in its receipts."""
        return {self.encoding.family.folder: self.digest}

    def finished_shards(self) -> list[ShardPlan]:
        """Return the shards whose audio is finished. Raises BuildError or ShardError if there is no audio."""
        fingerprint = read_fingerprint(self.layout.build)
        if not fingerprint["audio"]:
            hint = "give the build command again with this --codec: its pairs are rendered again"
            raise BuildError(self.out, "keeps no sound that could be encoded", hint)
        finished = {path.stem for path in self.layout.receipts(AUDIO)}
        plans = plan_shards(fingerprint["pairs"], fingerprint["shard_size"])
        plans = [plan for plan in plans if plan.name in finished]
        if not plans:
            raise ShardError(self.out, "no finished shards here", "finish the build first: give its command again")
        return plans

    def required_files(self) -> list[Location]:
        """Return build.json."""
        return [self.layout.build]

    def open(self, encode: EncodeBatch | None) -> EncodeContext:
        """Open the encoding in a worker. Raises ValueError without ``encode``."""
        if encode is None:
            raise ValueError("encoding needs an encoder")
        return EncodeContext(self, PrefetchEncoder(encode))


class EncodeContext(ShardMaker):
    """What a worker keeps open between shards: the connection to the encoder."""

    def __init__(self, job: EncodeJob, encoder: PrefetchEncoder) -> None:
        self.job, self.encoder = job, encoder

    def is_done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has its receipt."""
        return self.job.layout.receipt(plan.name, self.job.encoding.family.folder).exists()

    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Encode a shard; ``on_pair`` is called after every pair."""
        return encode_shard(plan, self.job.layout, self.job.encoding, self.encoder, on_pair)

    @property
    def waited(self) -> float:
        """Seconds that this worker waited for the encoder."""
        return self.encoder.waited

    def close(self) -> None:
        """Close the connection to the encoder."""
        self.encoder.close()


def encode_shard(
    plan: ShardPlan, layout: Layout, encoding: TokenSettings, encoder: PrefetchEncoder, on_pair: Callable[[], None]
) -> Receipt:
    """Encode the audio of a shard: tar -> windows -> tokens -> tar -> receipt.

    Gives the same bytes as encoding during rendering. Raises ShardError for a damaged shard.
    """
    family = encoding.family
    receipt = read_receipt(layout.receipt(plan.name))
    with ShardTokenizer(plan, layout, encoding, encoder, receipt.missing) as tokens:
        pairs = _read_pairs(layout.tar(plan.name), family.windows, int(family.codec["sample_rate"]))
        for key, sounds, description in pairs:
            set_current_pair(key)
            tokens.add(key, sounds, description)
            on_pair()
    return tokens.receipt


def _read_pairs(
    tar: Location, sound_names: Iterable[str], sample_rate: int
) -> Iterator[tuple[str, dict[str, Pcm], bytes]]:
    """Yield key, sounds (16-bit, each [channels, samples]) and JSON of each pair of a tar. Raises ShardError."""
    out = tar.parent.parent
    for key, members in read_tar(tar):
        sounds: dict[str, Pcm] = {}
        for sound in sound_names:
            name = find_audio_member(members, sound)
            if name is None or "json" not in members:
                raise ShardError(tar, f"{key} has no {sound}", f"`rmod verify {quote(out)}` says what is damaged")
            with naming_data_set(out):
                sounds[sound], rate = decode_audio(members[name], f"{tar}: {key}.{name}")
            if rate != sample_rate:
                found = f"{key}.{sound} is at {rate} Hz, but the codec takes {sample_rate} Hz"
                raise ShardError(tar, found, "choose another codec")
        yield key, sounds, members["json"]
