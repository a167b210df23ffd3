"""Read the one-shots of a library for the benchmarks of metrics and embeddings; this module measures nothing itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import to_channels
from rmod_pipeline.codec.window import fit_window, target_frames
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore

KINDS = ("kick", "snare", "hihat")
RATE = 44_100
HOP = 512


def read_one_shots(manifest: Path, kind: str, most: int | None = None) -> NDArray[np.float32]:
    """Return the one-shots of a kind in a random, fixed order: mono, in the window of their kind: [n, samples]."""
    library = load_library(str(manifest))
    store = AudioStore(library, RATE)
    assets = sorted((asset for asset in library.assets if asset.kind == kind), key=lambda asset: asset.id)
    order = Draw.of("one-shots", kind).order(len(assets))[:most]
    sounds = [to_channels(store.read(assets[index].id), 1)[0] for index in order]
    return np.stack([fit_window(sound, target_frames(kind), HOP).audio for sound in sounds])
