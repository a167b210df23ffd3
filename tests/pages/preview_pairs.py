"""Make pairs for the tests of the preview page: real specs with simple sounds, without reading any file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rmod_pipeline.audio import Audio
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.effects import PEDALBOARD
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe
from rmod_pipeline.spec import PairId, PairSpec

RATE = 44_100
KIT = "Kit of tests"


def recipe() -> Recipe:
    """Return the recipe `quick`."""
    return load_recipe(find_recipe("quick"))


def make_spec(index: int, loops: bool = True) -> PairSpec:
    """Return what the recipe `quick` composes at an index, with or without its loops."""
    quick = recipe()
    assets = SplitAssets.of(quick, _library(quick), "train")
    spec = compose_pair(quick, assets, make_settings(quick, PEDALBOARD), PairId(seed=0, split="train", index=index))
    return spec if loops else replace(spec, loops=())


def make_pair(
    index: int = 0,
    *,
    loops: bool = True,
    stems: bool = False,
    kit: str = KIT,
    measured: Mapping[str, Any] | None = None,
    loud: bool = False,
) -> StoredPair:
    """Return a stored pair; ``loud`` fills it with noise, which compresses badly."""
    spec = make_spec(index, loops)
    members = {"mix.wav": wav(_sound(spec.settings.frames, index, loud))}
    for number, target in enumerate(spec.targets):
        members[f"{target.kind}.wav"] = wav(_sound(spec.settings.one_shot_frames // (number + 1), index + number, loud))
    if stems:
        for kind in recipe().kinds:
            members[f"stem-{kind}.wav"] = wav(_sound(spec.settings.frames, index, loud) * np.float32(0.1))
    members["mid"] = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x01\xe0"
    content = {
        "spec": spec.to_dict(),
        "measured": measure(spec, index) if measured is None else measured,
        "sources": [
            {
                "kind": kind,
                "id": asset,
                "sha256": sha256,
                "kit": kit,
                "group": kit,
                "licence": "CC0-1.0",
                "source": "us",
            }
            for kind, asset, sha256 in spec.sources()
        ],
    }
    members["json"] = json.dumps(content).encode()
    return StoredPair(key=spec.key, members=members)


def with_member(pair: StoredPair, suffix: str, data: bytes) -> StoredPair:
    """Return the pair with one member replaced."""
    return StoredPair(key=pair.key, members={**pair.members, suffix: data})


def without_member(pair: StoredPair, suffix: str) -> StoredPair:
    """Return the pair without one member."""
    return StoredPair(key=pair.key, members={name: data for name, data in pair.members.items() if name != suffix})


def measure(spec: PairSpec, index: int) -> dict[str, Any]:
    """Return measurements as a shard contains them; the loudness falls with the index."""
    mix = {"peak_dbfs": -1.0, "rms_dbfs": -14.0, "lufs": -9.0 - index, "side_mid_db": -11.0, "full_scale_share": 0.0}
    return {
        "mix": mix,
        "targets": {track.kind: {"peak_dbfs": 0.0, "rms_dbfs": -20.0, "seconds": 1.0} for track in spec.targets},
        "tracks": {
            track.kind: {"peak_dbfs": -9.0, "rms_dbfs": -30.0, "audible_db": -6.0, "inserts_db": [-12.3] * 9}
            for track in spec.tracks
        },
    }


def wav(audio: Audio) -> bytes:
    """Return a 16-bit WAV of audio [channels, frames]."""
    file = io.BytesIO()
    soundfile.write(file, audio.T, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _sound(frames: int, seed: int, loud: bool) -> Audio:
    """Return stereo [2, frames]: noise at full scale, or a decaying tone."""
    generator = np.random.default_rng(seed)
    if loud:
        return generator.uniform(-1, 1, (2, frames)).astype(np.float32)
    time = np.arange(frames) / RATE
    tone = 0.5 * np.sin(2 * np.pi * (110 + 20 * seed) * time) * np.exp(-3 * (time % 1.0))
    return np.stack([tone, 0.8 * tone]).astype(np.float32)


def _library(recipe: Recipe) -> Library:
    assets = [_asset(kind, number) for kind in recipe.kinds for number in range(4)]
    return Library(
        assets=tuple(sorted(assets, key=lambda asset: asset.id)),
        root=Path(),
        manifest=Path("library.csv"),
        digest="",
    )


def _asset(kind: str, number: int) -> Asset:
    return Asset(
        id=f"{kind}/sound-{number}",
        path=f"{kind}/sound-{number}.wav",
        kind=kind,
        kit=KIT,
        group=KIT,
        split="train",
        licence="CC0-1.0",
        source="us",
        sha256=f"{kind}{number}",
        sample_rate=RATE,
        channels=1,
        frames=RATE,
        peak_dbfs=0.0,
        rms_dbfs=-20.0,
    )
