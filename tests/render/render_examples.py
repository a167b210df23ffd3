"""A tiny library of files made in the test, always the same, and specs to play it with."""

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
from rmod_pipeline.render import PitchCache, Sounds
from rmod_pipeline.spec import DrumTrack, Layer, LoopTrack, Note, PairId, PairSpec, Settings

RATE = 44_100

# Kind, number, channels, seconds, and a period in frames for what is to have a pitch.
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
    """Return a sound [channels, frames] made with whole numbers alone, so the same on every machine."""
    frames = round(seconds * RATE)
    time = np.arange(frames, dtype=np.int64)
    seed = int.from_bytes(sha256(f"{kind} {number}".encode()).digest()[:4], "little")
    rows = []
    for channel in range(channels):
        noise = ((time * 1103515245 + seed + 12345 * channel) ^ (time * time * 69069 + channel)) % 65536 - 32768
        # A triangle wave, a little later on the right.
        wave = np.abs((time + 7 * channel) % period * 4 * 16383 // period - 2 * 16383) - 16383 if period else noise
        decay = (frames - time) * 1024 // frames
        rows.append((wave * 7 + noise) // 8 * decay * decay // 2**21)
    return np.stack(rows).astype(np.int16)


def make_library(root: Path) -> Library:
    """Write the sounds below a folder and return the library of them."""
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
    assets.sort(key=lambda one: one.id)
    return Library(assets=tuple(assets), root=root, manifest=root / "tiny.csv", digest="tiny")


def open_sounds(library: Library, cache: Path, memory: int = 2**28) -> Sounds:
    """Return the library's sounds, with nothing kept yet but what lies in the cache."""
    return Sounds(AudioStore(library, RATE), PitchCache(cache), memory)


def compose(recipe: Recipe, library: Library, index: int, seed: int = 0) -> PairSpec:
    """Return a spec over the tiny library."""
    address = PairId(seed=seed, split="train", index=index)
    return compose_pair(recipe, SplitAssets.of(recipe, library, "train"), make_settings(recipe, "pedalboard"), address)


def quick(library: Library, index: int) -> PairSpec:
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
    """Return a drum track without effects, unless they are given."""
    layers = [library.by_id[f"{kind}/{number}"] for number in range(len(weights))]
    values = {
        "kind": kind,
        "target": True,
        "layers": tuple(
            Layer(asset=one.id, sha256=one.sha256, weight=weight) for one, weight in zip(layers, weights, strict=True)
        ),
        "notes": tuple(Note(tick=tick, velocity=100) for tick in ticks),
        "inserts": (),
        **rest,
    }
    return DrumTrack(**values)  # type: ignore[arg-type]


def loop(library: Library, kind: str, semitones: int = 0, period_frames: int = 4 * RATE, **rest: object) -> LoopTrack:
    """Return a backing loop without effects, unless they are given."""
    one = library.by_id[f"{kind}/0"]
    values = {"kind": kind, "asset": one.id, "sha256": one.sha256, "inserts": (), **rest}
    return LoopTrack(semitones=semitones, period_frames=period_frames, **values)  # type: ignore[arg-type]


def spec_of(
    drums: Sequence[DrumTrack] = (),
    loops: Sequence[LoopTrack] = (),
    master: Sequence[object] = (),
    settings: Settings = SETTINGS,
) -> PairSpec:
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
    """Return white noise, the same for the same arguments."""
    values = np.random.default_rng([seed, channels]).standard_normal((channels, frames))
    return (values * gain).astype(np.float32)
