"""What systems are evaluated on: the pairs of a data set, with what is known of each.

pairs = open_pair_set(PairsChoice(name="RMOD", data="OUT"))
for item in pairs.read(pairs.keys[:10]):
    item.mixture, item.truths["kick"], item.kits["kick"]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rmod_pipeline.codec.window import Mono, mix_to_mono
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.recipe import PairsChoice, SongsChoice
from rmod_pipeline.evaluation.systems.base import Mixture
from rmod_pipeline.reading.pairs import StoredPair, list_keys, read_original_keys, read_pair
from rmod_pipeline.shards.fingerprint import fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.spec import DrumTrack
from rmod_pipeline.storage import Location, parse_location

CHUNK = 25
"""Mixtures that are answered together: the unit of work and of resume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationItem:
    """One mixture, and what is known about it."""

    mixture: Mixture
    truths: Mapping[str, Mono]
    """By kind: the true one-shot [samples], of natural length. Empty for songs."""
    kits: Mapping[str, str]
    """By kind: the kit of the loudest layer of the true one-shot. Empty where it is unknown."""
    hits: Mapping[str, int]
    """By kind: how often the drum is hit."""
    audible_db: Mapping[str, float]
    """By kind: how far the drum's clearest hit is above the rest of the mixture."""
    instruments: int | None
    """Number of backing loops in the mixture; None where it is unknown."""


class EvaluationSet(Protocol):
    """A test set. It is small, so that it can be sent to worker processes."""

    @property
    def choice(self) -> PairsChoice | SongsChoice:
        """What the recipe says of it."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its mixtures, in order."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of its mixtures."""

    @property
    def digest(self) -> str:
        """What decides the content of its mixtures, as a SHA-256."""

    def read(self, keys: Sequence[str]) -> list[EvaluationItem]:
        """Return mixtures with what is known of them; those of the last call are remembered."""

    def read_other_names(self) -> Mapping[str, str]:
        """Return the names that mixtures have elsewhere, by key: those of their files."""

    def describe(self) -> dict[str, Any]:
        """Return what identifies the set, for the results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSet:
    """The pairs of one split of a data set, or its first ones."""

    choice: PairsChoice
    out: Location
    keys: tuple[str, ...]
    sample_rate: int
    digest: str
    """SHA-256 of the data set's fingerprint."""
    _read: dict[str, EvaluationItem] = field(default_factory=dict, compare=False, repr=False)

    def read(self, keys: Sequence[str]) -> list[EvaluationItem]:
        """Return pairs with their audio; those of the last call are remembered. Raises ShardError."""
        if set(keys) - self._read.keys():
            items = {key: read_item(self.out, key) for key in keys}
            self._read.clear()
            self._read.update(items)
        return [self._read[key] for key in keys]

    def read_other_names(self) -> Mapping[str, str]:
        """Return the names of imported pairs in their folder, by key; nothing for pairs that were built."""
        return read_original_keys(self.out)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the set, for the results."""
        return {
            "data": str(self.out),
            "split": self.choice.split,
            "pairs": len(self.keys),
            "keys_sha256": digest_keys(self.keys),
            "fingerprint": self.digest,
        }


def open_pair_set(choice: PairsChoice, most: int | None = None) -> PairSet:
    """Open the pairs of a split, all or the first ones. Raises ShardError for a data set without audio or pairs."""
    out, split = parse_location(choice.data), choice.split
    fingerprint = read_fingerprint(Layout(out).build)
    if not fingerprint["audio"]:
        raise ShardError(out, "stores no audio", "evaluate on a data set that was built with audio")
    keys = list_keys(out, split)[:most]
    if not keys:
        hint = "build a data set with more pairs of this split, in another folder"
        raise ShardError(f"{out}, split {split}", "all of its pairs were rejected", hint)
    return PairSet(
        choice=choice,
        out=out,
        keys=tuple(keys),
        sample_rate=int(fingerprint["recipe"]["sample_rate"]),
        digest=fingerprint_digest(fingerprint),
    )


def read_item(out: Location, key: str) -> EvaluationItem:
    """Return one pair of a data set with its audio. Raises ShardError."""
    pair = read_pair(out, key)
    name = find_audio_member(pair.members, MIX)
    if name is None:
        raise ShardError(key, "contains no audio of its mixture", "evaluate on a data set that was built with audio")
    mixture, rate = _decode_mono(pair, name)
    spec, description = pair.spec(), pair.description()
    settings, drums = spec.settings, {drum.kind: drum for drum in spec.drums}
    kinds = [suffix.rpartition(".")[0] for suffix in pair.members]
    truths = {kind: _decode_mono(pair, find_audio_member(pair.members, kind))[0] for kind in drums if kind in kinds}
    # Nothing is known of the tracks of an imported pair.
    tracks = description["measured"]["tracks"]
    return EvaluationItem(
        mixture=Mixture(
            key=key,
            audio=mixture,
            sample_rate=rate,
            onsets={kind: tuple(settings.onset(note.tick) for note in drum.notes) for kind, drum in drums.items()},
        ),
        truths=truths,
        kits={kind: _kit_of(drums[kind], description["sources"]) for kind in truths},
        hits={kind: len(drum.notes) for kind, drum in drums.items()},
        audible_db={kind: float(tracks[kind]["audible_db"]) for kind in truths if kind in tracks},
        instruments=None if spec.is_imported else len(spec.loops),
    )


def _decode_mono(pair: StoredPair, name: str | None) -> tuple[Mono, int]:
    assert name is not None
    pcm, rate = decode_audio(pair.members[name], f"{pair.key}.{name}")
    return mix_to_mono(pcm), rate


def _kit_of(drum: DrumTrack, sources: Sequence[Mapping[str, str]]) -> str:
    """Return the kit of the loudest layer of a drum, or the sound itself if it belongs to none."""
    loudest = max(drum.layers, key=lambda layer: layer.weight)
    kit = next((source["kit"] for source in sources if source["id"] == loudest.asset), "")
    return kit or loudest.asset


def split_into_chunks(keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the keys in chunks of about ``CHUNK``: none has a single key unless there is only one."""
    starts = range(0, len(keys), CHUNK)
    chunks = [tuple(keys[start : start + CHUNK]) for start in starts]
    if len(chunks) > 1 and len(chunks[-1]) == 1:
        # Each pair is also given another pair's answer, for which a chunk needs two.
        chunks[-2:] = [(*chunks[-2], *chunks[-1])]
    return chunks


def digest_keys(keys: Sequence[str]) -> str:
    """Return the SHA-256 of keys in their order."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()
