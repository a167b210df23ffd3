"""Make tokens and features of finished shards from their audio: the same bytes as while they are rendered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import BuildError, ShardError, naming_data_set, quote
from rmod_pipeline.pipeline.encoding import PrefetchEncoder, ShardTokenizer, TokenSettings
from rmod_pipeline.pipeline.jobs.base import Job, ShardMaker
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import decode_audio, find_audio_member
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.shards.windows.features import FeatureShardWriter
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioJob(Job):
    """What is made of the audio of a finished data set: the base of the jobs that make tokens or features."""

    option: ClassVar[str]
    """The option of `rmod build` that makes the same."""
    nothing: ClassVar[str]
    """What is wrong with a data set without audio."""

    out: Location

    @property
    @abstractmethod
    def family(self) -> WindowFamily:
        """The tokens or features to make."""

    @property
    def layout(self) -> Layout:
        """The layout of the data set."""
        return Layout(self.out)

    @property
    def window_families(self) -> list[WindowFamily]:
        """The tokens or features to make."""
        return [self.family]

    @property
    def digest(self) -> str:
        """The digest of codec.json or features.json."""
        return self.family.digest()

    @property
    def families(self) -> dict[str, str]:
        """The family to make, with the digest in its receipts."""
        return {self.family.folder: self.digest}

    def finished_shards(self) -> list[ShardPlan]:
        """Return the shards whose audio is finished. Raises BuildError or ShardError if there is no audio."""
        fingerprint = read_fingerprint(self.layout.build)
        if not fingerprint["audio"]:
            hint = f"give the build command again with {self.option}: its pairs are rendered again"
            raise BuildError(self.out, self.nothing, hint)
        finished = {path.stem for path in self.layout.receipts(AUDIO)}
        plans = plan_shards(fingerprint["pairs"], fingerprint["shard_size"])
        plans = [plan for plan in plans if plan.name in finished]
        if not plans:
            raise ShardError(self.out, "no finished shards here", "finish the build first: give its command again")
        return plans

    def required_files(self) -> list[Location]:
        """Return build.json."""
        return [self.layout.build]


class AudioContext(ShardMaker):
    """What a worker keeps open between shards: the connection to the encoder, if there is one."""

    def __init__(
        self,
        layout: Layout,
        *,
        encoding: TokenSettings | None = None,
        encoder: PrefetchEncoder | None = None,
        features: FeatureFamily | None = None,
    ) -> None:
        self._layout, self._encoding, self._encoder, self._features = layout, encoding, encoder, features

    def is_done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has its receipt."""
        families = [self._encoding.family if self._encoding else None, self._features]
        return all(self._layout.receipt(plan.name, family.folder).exists() for family in families if family)

    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Make the tokens or features of a shard; ``on_pair`` is called after every pair."""
        return make_from_audio(
            plan, self._layout, on_pair, encoding=self._encoding, encoder=self._encoder, features=self._features
        )

    @property
    def waited(self) -> float:
        """Seconds that this worker waited for the encoder."""
        return self._encoder.waited if self._encoder else 0.0

    def close(self) -> None:
        """Close the connection to the encoder."""
        if self._encoder:
            self._encoder.close()


def make_from_audio(
    plan: ShardPlan,
    layout: Layout,
    on_pair: Callable[[], None],
    *,
    encoding: TokenSettings | None = None,
    encoder: PrefetchEncoder | None = None,
    features: FeatureFamily | None = None,
) -> Receipt:
    """Make those tokens and features that a shard lacks: tar -> windows -> tars -> receipts. Return the last receipt.

    ``on_pair`` is called after every pair. Raises ShardError for a damaged shard.
    """
    audio = read_receipt(layout.receipt(plan.name))
    writers: list[ShardTokenizer | FeatureShardWriter] = []
    families: list[WindowFamily] = []
    if encoding and encoder and not layout.receipt(plan.name, encoding.family.folder).exists():
        writers.append(ShardTokenizer(plan, layout, encoding, encoder, audio.missing))
        families.append(encoding.family)
    if features and not layout.receipt(plan.name, features.folder).exists():
        writers.append(FeatureShardWriter(plan, layout, features, audio.missing))
        families.append(features)
    if not writers:
        return audio
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        # All families have the same sounds: the mixture and the targets of the recipe.
        for key, sounds, description in _read_pairs(layout.tar(plan.name), families[0]):
            set_current_pair(key)
            for writer in writers:
                writer.add(key, sounds, description)
            on_pair()
    return writers[-1].receipt


def _read_pairs(tar: Location, family: WindowFamily) -> Iterator[tuple[str, dict[str, Pcm], bytes]]:
    """Yield key, sounds (16-bit, each [channels, samples]) and JSON of each pair of a tar. Raises ShardError."""
    out = tar.parent.parent
    for key, members in read_tar(tar):
        sounds: dict[str, Pcm] = {}
        for sound in family.windows:
            name = find_audio_member(members, sound)
            if name is None or "json" not in members:
                raise ShardError(tar, f"{key} has no {sound}", f"`rmod verify {quote(out)}` says what is damaged")
            with naming_data_set(out):
                sounds[sound], rate = decode_audio(members[name], f"{tar}: {key}.{name}")
            if rate != family.sample_rate:
                found = f"{key}.{sound} is at {rate} Hz, but build.json says {family.sample_rate} Hz"
                raise ShardError(tar, found, f"`rmod verify {quote(out)}` says what is damaged")
        yield key, sounds, members["json"]
