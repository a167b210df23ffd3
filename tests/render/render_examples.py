"""A tiny library of generated files, the same on every machine, and specs that use it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import soundfile

from rmod_pipeline.audio import Audio, Pcm
from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe
from rmod_pipeline.render import PreparedCache, Sounds
from rmod_pipeline.spec import DrumTrack, Layer, LoopTrack, Note, PairId, PairSpec, Settings

RATE = 44_100

# Kind, number, channels, seconds, and the period in frames of a pitched sound (0: noise).
SOUNDS = (
    ("kick", 0, 1, 0.4, 700),
    ("kick", 1, 2, 0.7, 900),
    ("snare", 0, 1, 0.3, 0),
    ("snare", 1, 2, 0.5, 0),
    ("hihat", 0, 1, 0.1, 0),
    ("hihat", 1, 1, 2.6, 0),
    ("bass", 0, 1, 4.0, 801),
    ("piano", 0, 2, 3.0, 100),
    ("guitar", 0, 2, 5.0, 150),
    ("vocal", 0, 1, 1.5, 200),
)


def make_sound(kind: str, number: int, channels: int, seconds: float, period: int) -> Pcm:
    """Return a sound [channels, frames], computed with integers only, so that it is the same on every machine."""
    frames = round(seconds * RATE)
    time = np.arange(frames, dtype=np.int64)
    seed = int.from_bytes(sha256(f"{kind} {number}".encode()).digest()[:4], "little")
    rows = []
    for channel in range(channels):
        noise = ((time * 1103515245 + seed + 12345 * channel) ^ (time * time * 69069 + channel)) % 65536 - 32768
        # A triangle wave, delayed by 7 frames in the right channel.
        wave = np.abs((time + 7 * channel) % period * 4 * 16383 // period - 2 * 16383) - 16383 if period else noise
        decay = (frames - time) * 1024 // frames
        rows.append((wave * 7 + noise) // 8 * decay * decay // 2**21)
    return np.stack(rows).astype(np.int16)


def make_library(root: Path) -> Library:
    """Write the sounds to a folder, and return their library."""
    assets = []
    for kind, number, channels, seconds, period in SOUNDS:
        pcm = make_sound(kind, number, channels, seconds, period)
        path = root / kind / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, pcm.T, RATE, subtype="PCM_16")
        assets.append(
            Asset(
                id=f"{kind}/{number}",
                path=f"{kind}/{number}.wav",
                kind=kind,
                kit="tiny",
                group="tiny",
                split="train",
                licence="CC0-1.0",
                source="a test",
                sha256=sha256(path.read_bytes()).hexdigest(),
                sample_rate=RATE,
                channels=channels,
                frames=pcm.shape[1],
                peak_dbfs=-6.0,
                rms_dbfs=-18.0,
            )
        )
    assets.sort(key=lambda asset: asset.id)
    return Library(assets=tuple(assets), root=root, manifest=root / "tiny.csv", digest="tiny")


def open_sounds(library: Library, cache: Path, memory: int = 2**28) -> Sounds:
    """Return the sounds of a library with empty memory and prepared ones in a folder."""
    return Sounds(AudioStore(library, RATE), PreparedCache(cache), memory)


def compose(recipe: Recipe, library: Library, index: int, seed: int = 0) -> PairSpec:
    """Return a spec that uses the tiny library."""
    pair_id = PairId(seed=seed, split="train", index=index)
    return compose_pair(recipe, SplitAssets.of(recipe, library, "train"), make_settings(recipe, "pedalboard"), pair_id)


def quick(library: Library, index: int) -> PairSpec:
    """Return a spec of the recipe quick."""
    return compose(load_recipe(find_recipe("quick")), library, index)


SETTINGS = Settings(
    engine="pedalboard",
    sample_rate=RATE,
    frames=4 * RATE,
    grid=1920,
    one_shot_frames=2 * RATE,
    one_shot_fade_frames=441,
    truncation_fade_frames=0,
    loop_frames=8 * RATE,
    loop_fade_frames=0,
)


def drum(
    library: Library, kind: str, ticks: Sequence[int], *, weights: Sequence[float] = (0.7, 0.3), **rest: object
) -> DrumTrack:
    """Return a drum track, by default without effects."""
    layers = [library.by_id[f"{kind}/{number}"] for number in range(len(weights))]
    values = {
        "kind": kind,
        "target": True,
        "layers": tuple(
            Layer(asset=asset.id, sha256=asset.sha256, weight=weight)
            for asset, weight in zip(layers, weights, strict=True)
        ),
        "notes": tuple(Note(tick=tick, velocity=100) for tick in ticks),
        "inserts": (),
        **rest,
    }
    return DrumTrack(**values)  # type: ignore[arg-type]


def loop(library: Library, kind: str, semitones: int = 0, period_frames: int = 4 * RATE, **rest: object) -> LoopTrack:
    """Return a backing loop, by default without effects."""
    asset = library.by_id[f"{kind}/0"]
    values = {"kind": kind, "asset": asset.id, "sha256": asset.sha256, "inserts": (), **rest}
    return LoopTrack(semitones=semitones, period_frames=period_frames, **values)  # type: ignore[arg-type]


def spec_of(
    drums: Sequence[DrumTrack] = (),
    loops: Sequence[LoopTrack] = (),
    master: Sequence[object] = (),
    settings: Settings = SETTINGS,
) -> PairSpec:
    """Return a spec of the given tracks."""
    return PairSpec(
        recipe="test",
        output_version=1,
        address=PairId(seed=0, split="train", index=0),
        settings=settings,
        drums=tuple(drums),
        loops=tuple(loops),
        master=tuple(master),  # type: ignore[arg-type]
    )


def noise(channels: int, frames: int, gain: float = 0.2, seed: int = 0) -> Audio:
    """Return white noise [channels, frames], the same for the same arguments."""
    values = np.random.default_rng([seed, channels]).standard_normal((channels, frames))
    return (values * gain).astype(np.float32)
