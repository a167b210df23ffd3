"""Render the sounds that a codec is trained on, once, into one file: mixtures, their targets, and one-shots.

The file is mono at the codec's rate: the mean of left and right of the 16-bit audio, as a build encodes it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, gain_to_db, peak, to_channels, to_pcm
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.errors import AssetError, BuildError, LibraryError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import compute_library_digest
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe
from rmod_pipeline.render import PreparedCache, Sounds, render_pair
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.spec import PairId
from rmod_pipeline.storage.publish import publish, publish_bytes
from rmod_pipeline.storage.writing import report_unwritable, temporary_file
from rmod_pipeline.training.codec.recipe import CodecRecipe

logger = logging.getLogger(__name__)

ONE_SHOTS = ("kick", "snare", "hihat", "openhat", "tom", "cymbal")
"""Kinds of the library that count as one-shots; all others are music. The table of kinds has more, but the codec that
comes with rmod was trained on these."""

LONGEST_ONE_SHOT_SECONDS = 2.0
SILENT_DBFS = -60.0
"""A one-shot whose mono mean has a lower peak is left out: at full scale it would be noise."""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Clip:
    """Kind and position of one sound in the file."""

    kind: str
    """``mix``, or the kind of a one-shot."""
    start: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All sounds of one split, 16-bit mono, concatenated."""

    samples: Pcm
    """[frames] int16, memory-mapped."""
    clips: tuple[Clip, ...]

    def read(self, clip: Clip) -> Pcm:
        """Return the samples of a clip: [frames] int16."""
        return self.samples[clip.start : clip.start + clip.frames]


def select_licences(library: Library, licences: Sequence[str]) -> Library:
    """Return the library with the sounds under these licences. Raises LibraryError if there are none."""
    kept = tuple(asset for asset in library.assets if asset.licence in licences)
    if not kept:
        found = f"no sound under a licence that the recipe allows: {', '.join(licences)}"
        existing = ", ".join(sorted({asset.licence for asset in library.assets} - {""})) or "none"
        hint = f"give another --library, or set sounds.licences in the recipe; the licences of this one are {existing}"
        raise LibraryError(library.manifest, found, hint)
    return replace(library, assets=kept, digest=compute_library_digest(kept))


def prepare_material(recipe: CodecRecipe, libraries: Sequence[Library], split: str, folder: Path) -> Material:
    """Return the sounds of a split, rendered now or before into the folder. Raises AssetError and LibraryError."""
    chosen = [select_licences(library, recipe.sounds.licences) for library in libraries]
    stem = folder / f"{split}-{_make_digest(recipe, chosen, split)}"
    listing, samples = stem.with_suffix(".json"), stem.with_suffix(".npy")
    if not listing.exists():
        _write(_render_sounds(recipe, chosen, split), samples, listing)
    clips = tuple(Clip(*row) for row in json.loads(listing.read_bytes()))
    return Material(samples=np.load(samples, mmap_mode="r"), clips=clips)


def _make_digest(recipe: CodecRecipe, libraries: Sequence[Library], split: str) -> str:
    """Return a digest of everything that decides the sounds of a split."""
    sounds = recipe.sounds
    count = sounds.mixes if split == "train" else sounds.held_out_mixes
    settings = [FORMAT, recipe.seed, recipe.shape.sample_rate, sorted(sounds.mixes), count, split]
    return hashlib.sha256(json.dumps([settings, [library.digest for library in libraries]]).encode()).hexdigest()[:12]


def _write(sounds: Iterator[tuple[str, Pcm]], samples: Path, listing: Path) -> None:
    clips: list[tuple[str, int, int]] = []
    parts: list[Pcm] = []
    start = 0
    for kind, sound in sounds:
        clips.append((kind, start, sound.size))
        parts.append(sound)
        start += sound.size
    content = np.concatenate(parts)
    with (
        report_unwritable(samples, kind=BuildError),
        temporary_file(samples.with_suffix(".tmp.npy")) as temporary,
    ):
        samples.parent.mkdir(parents=True, exist_ok=True)
        np.save(temporary, content)
        publish(temporary, samples)
        # The listing is written last: samples without a listing count as missing.
        publish_bytes(json.dumps(clips).encode(), listing, samples.parent)


def _render_sounds(recipe: CodecRecipe, libraries: Sequence[Library], split: str) -> Iterator[tuple[str, Pcm]]:
    """Yield kind and samples of each one-shot, mixture and target."""
    for library in libraries:
        store = AudioStore(library, recipe.shape.sample_rate)
        yield from _read_one_shots(store, split)
        sounds = Sounds(store, PreparedCache(prepared_folder()))
        for name, count in recipe.sounds.mixes.items():
            mixes = count if split == "train" else recipe.sounds.held_out_mixes
            logger.info("rendering %d mixtures of %s from %s, %s", mixes, name, library.manifest.name, split)
            yield from _render_pairs(load_recipe(find_recipe(name)), sounds, split, mixes, recipe.seed)


def _read_one_shots(store: AudioStore, split: str) -> Iterator[tuple[str, Pcm]]:
    """Yield the library's one-shots of a split at full scale, without silent and unreadable ones."""
    longest = round(LONGEST_ONE_SHOT_SECONDS * store.sample_rate)
    for kind in ONE_SHOTS:
        for asset in store.library.select(kind, split):
            try:
                sound = to_channels(store.read(asset.id), 1)[0, :longest]
            except AssetError as error:
                logger.warning("skipped: %s", error)
                continue
            if gain_to_db(peak(sound[None])) >= SILENT_DBFS:
                yield kind, to_pcm(sound / np.float32(peak(sound[None])))


def _render_pairs(recipe: Recipe, sounds: Sounds, split: str, count: int, seed: int) -> Iterator[tuple[str, Pcm]]:
    """Yield the mixtures and targets of ``count`` pairs."""
    assets = SplitAssets.of(recipe, sounds.store.library, split)
    settings = make_settings(recipe, "pedalboard")
    for index in range(count):
        pair_id = PairId(seed=seed, split=split, index=index)
        pair = render_pair(compose_pair(recipe, assets, settings, pair_id), sounds)
        yield "mix", to_mono(pair.mix)
        for kind, target in pair.targets.items():
            yield kind, to_mono(target)


def to_mono(pcm: Pcm) -> Pcm:
    """Return the mean of the channels, rounded half to even: int16 [frames] of int16 [channels, frames]."""
    mono: Pcm = np.rint(pcm.mean(axis=0, dtype=np.float32)).astype(np.int16)
    return mono


def to_float(pcm: Pcm) -> Audio:
    """Return 16-bit samples as float32 with full scale at 1."""
    return pcm.astype(np.float32) / np.float32(32767.0)
