"""A data set as a Python object: its splits, its pairs as arrays, its index."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, from_pcm
from rmod_pipeline.errors import ShardError, naming_data_set, nearest
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.loader import STEM, load_audio, load_tokens
from rmod_pipeline.reading.pairs import StoredPair, count_licences, list_keys, read_pair, read_receipts
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.families import find_any_folder
from rmod_pipeline.shards.fingerprint import Fingerprint, read_fingerprint
from rmod_pipeline.shards.index import read_index
from rmod_pipeline.shards.layout import Layout, parse_key
from rmod_pipeline.shards.members import FORMATS, MIX, decode_audio
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.shards.windows.feature_family import feature_names
from rmod_pipeline.spec import PairSpec
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.reading.stream import PairStream


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPair:
    """One pair, decoded."""

    key: str
    """Such as ``train-00000012``."""
    spec: PairSpec
    """The plan of the pair, from which it can be rendered again."""
    levels: Mapping[str, Any]
    """Measured levels: ``mix``, ``targets`` and ``tracks``, in dBFS, LUFS and dB."""
    sources: Sequence[Mapping[str, str]]
    """The sounds in the pair, with kit, licence and source."""
    audio: Mapping[str, Audio]
    """By sound (mix, kick, ..., stem-kick): [channels, samples] float32, -1..1. Empty if no audio is kept."""
    codes: Mapping[str, NDArray[np.uint16]]
    """By sound: [codebooks, frames]. Only in data sets that keep tokens and no audio."""

    @property
    def split(self) -> str:
        """The split: train, valid or test."""
        return parse_key(self.key)[0]

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.spec.settings.sample_rate

    @property
    def mix(self) -> Audio:
        """The mixture, [2, samples] float32. Raises ShardError if no audio is kept."""
        if MIX not in self.audio:
            hint = "read its tokens: `codes`, or DataSet.tokens()"
            raise ShardError(self.key, "its data set keeps no audio", hint)
        return self.audio[MIX]

    @property
    def one_shots(self) -> dict[str, Audio]:
        """The dry one-shots by kind, each [channels, samples] float32."""
        return {kind: audio for kind, audio in self.audio.items() if kind != MIX and not kind.startswith(STEM)}

    @property
    def stems(self) -> dict[str, Audio]:
        """The tracks before the master chain, by kind, each [2, samples] float32; empty without ``stems``."""
        return {kind.removeprefix(STEM): audio for kind, audio in self.audio.items() if kind.startswith(STEM)}


class DataSet:
    """A data set that a build wrote, finished or not. Opening it reads ``build.json`` alone."""

    def __init__(self, out: Location | str) -> None:
        """Open a data set by its folder or address. Raises ShardError if there is none."""
        self.out = parse_location(out)
        """The folder, or the address on an object store."""
        self.fingerprint: Fingerprint = read_fingerprint(Layout(self.out).build)
        """The contents of ``build.json``: recipe, library digest, seed, versions."""

    def __repr__(self) -> str:
        """Return folder, recipe and number of pairs."""
        pairs = ", ".join(f"{split}={count}" for split, count in self.counts.items())
        return f"DataSet({str(self.out)!r}, recipe={self.recipe.name!r}, {pairs})"

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs to build, by split."""
        return dict(self.fingerprint["pairs"])

    @property
    def recipe(self) -> Recipe:
        """The recipe that the data set is built from."""
        return Recipe.model_validate(self.fingerprint["recipe"])

    @property
    def has_audio(self) -> bool:
        """Whether the audio is kept, and not only tokens."""
        return bool(self.fingerprint["audio"])

    @property
    def codecs(self) -> list[str]:
        """The codecs whose tokens the data set holds, such as ``mini-1a2b3c4d``."""
        return family_names(self.out)

    @property
    def feature_families(self) -> list[str]:
        """The features that the data set holds, such as ``mel-1a2b3c4d``."""
        return feature_names(self.out)

    def keys(self, split: str | None = None) -> list[str]:
        """Return the keys of all finished pairs, in order. Raises ShardError."""
        return list_keys(self.out, split)

    def pair(self, key: str) -> DataPair:
        """Return one pair. Raises ShardError for a key that is not in the data set."""
        with naming_data_set(self.out):
            return _decode(read_pair(self.out, key))

    def pairs(self, split: str | None = None) -> Iterator[DataPair]:
        """Yield the finished pairs of a split, or of all splits, in order.

        Reads one tar after the other and holds one pair at a time. Raises ShardError for an unknown split or a damaged
        shard.
        """
        if split is not None and split not in self.counts:
            found = f"no split {split!r}{nearest(split, self.counts)}; there are {', '.join(self.counts)}"
            raise ShardError(self.out, found)
        layout, folder = Layout(self.out), None
        if not self.has_audio:
            folder = find_any_folder(self.out)
        for receipt in read_receipts(self.out):
            if split in (None, receipt.split):
                tar = layout.tar(receipt.shard, folder) if folder else layout.tar(receipt.shard)
                for key, members in read_tar(tar):
                    with naming_data_set(self.out):
                        pair = _decode(StoredPair(key=key, members=members))
                    yield pair

    def index(self, split: str | None = None, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return the rows of the index, rejected attempts included: key, sources, licences, levels, checksums."""
        receipts = [receipt for receipt in read_receipts(self.out) if split in (None, receipt.split)]
        layout, names = Layout(self.out), None if columns is None else list(columns)
        return [row for receipt in receipts for row in read_index(layout.index(receipt.shard), names)]

    def licences(self) -> Counter[str]:
        """Return the number of different sounds in use, by licence."""
        return count_licences(self.out)

    def tokens(self, split: str, codec: str | None = None, **options: Any) -> PairStream:
        """Return the tokens of a split for a training loop: see ``rmod_pipeline.reading.loader.load_tokens``."""
        return load_tokens(self.out, split, codec, **options)

    def features(self, split: str, **options: Any) -> PairStream:
        """Return the features of a split for a training loop: see ``rmod_pipeline.reading.features.load_features``."""
        return load_features(self.out, split, **options)

    def audio(self, split: str, **options: Any) -> PairStream:
        """Return the audio of a split for a training loop: see ``rmod_pipeline.reading.loader.load_audio``."""
        return load_audio(self.out, split, **options)


def _decode(stored: StoredPair) -> DataPair:
    description = stored.description()
    spec = PairSpec.from_json(json.dumps(description["spec"]), f"{stored.key}.json")
    audio, codes = dict[str, Audio](), dict[str, NDArray[np.uint16]]()
    for name, data in stored.members.items():
        sound, _, suffix = name.rpartition(".")
        if suffix in FORMATS:
            audio[sound] = from_pcm(decode_audio(data, f"{stored.key}.{name}")[0])
        elif suffix == "npy" and "features" not in description:
            codes[sound] = decode_codes(data, f"{stored.key}.{name}")
    return DataPair(
        key=stored.key,
        spec=spec,
        levels=description["measured"],
        sources=description["sources"],
        audio=audio,
        codes=codes,
    )
