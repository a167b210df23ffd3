"""Draw the built-in kit beside real one-shots (spectra, envelopes, spectrograms), and time its synthesis.

    python benchmarks/builtin_kit.py --real DIR --out docs/images

DIR holds `library.csv` (columns path, kind, kit) and the files that it names. The pictures show real sounds only as
statistics over a few hundred of them and as spectrograms.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
import soxr
from PIL import Image

from rmod_pipeline.library.builtin_kit import ensure_builtin

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# A picture is 1000 pixels wide, as wide as a page shows it, so that its text keeps its size.
plt.rcParams.update({"axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9})

SAMPLE_RATE = 44_100
KINDS = ("kick", "snare", "hihat")
QUANTILES = ((10, "0.8"), (25, "0.55"), (50, "black"), (75, "0.55"), (90, "0.8"))
BAND_EDGES = np.geomspace(25.0, 20_000.0, 60)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    real = os.environ.get("RMOD_REAL_LIBRARY")
    arguments.add_argument("--real", type=Path, default=real, help="folder with library.csv")
    arguments.add_argument("--out", type=Path, default=Path("docs/images"), help="folder for the pictures")
    options = arguments.parse_args()
    if options.real is None:
        print("skipped: it compares with real recordings; give --real DIR, or set RMOD_REAL_LIBRARY")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        start, cpu_start = time.perf_counter(), time.process_time()
        builtin = ensure_builtin(Path(cache))
        print(f"all sounds: {time.perf_counter() - start:.1f} s, {time.process_time() - cpu_start:.1f} s of one core")
        start = time.perf_counter()
        ensure_builtin(Path(cache))
        print(f"all in place: {1000 * (time.perf_counter() - start):.0f} ms")
        real = options.real / "library.csv"
        draw_statistics(real, builtin, options.out / "builtin-statistics.png")
        draw_spectrograms(real, builtin, options.out / "builtin-one-shots.png")
        draw_loops(builtin, options.out / "builtin-loops.png")


def sounds_of(listing: Path, kind: str) -> list[tuple[Path, str]]:
    """Return the file and the kit of every sound of a kind."""
    with listing.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["kind"] == kind]
    return [(listing.parent / row["path"], row["kit"]) for row in rows]


def load_one_shot(path: Path) -> np.ndarray:
    """Return a file as mono [frames] at 44.1 kHz from its onset on, with peak 1."""
    sound, rate = soundfile.read(path, always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE)
    mono = mono / max(1e-9, float(np.abs(mono).max()))
    return np.asarray(mono[int(np.argmax(np.abs(mono) > 0.02)) :])


def spectrum_db(sound: np.ndarray) -> np.ndarray:
    """Return the power density in bands [bands], in dB relative to the highest."""
    power = np.abs(np.fft.rfft(np.resize(np.pad(sound, (0, 65_536)), 65_536))) ** 2
    at = (BAND_EDGES / SAMPLE_RATE * 65_536).astype(int)
    bands = np.array([power[low : max(high, low + 1)].mean() for low, high in itertools.pairwise(at)])
    return np.asarray(10 * np.log10(bands / bands.max() + 1e-9))


def envelope_db(sound: np.ndarray) -> np.ndarray:
    """Return the level over windows of 5 ms, every 2.5 ms, in dB relative to the loudest."""
    second = np.resize(np.pad(sound, (0, SAMPLE_RATE)), SAMPLE_RATE)
    level = np.sqrt(np.convolve(second**2, np.ones(221) / 221, mode="same"))[::110]
    return np.asarray(20 * np.log10(level / level.max() + 1e-5))


def draw_statistics(real: Path, builtin: Path, picture: Path) -> None:
    figure, grid = plt.subplots(3, 4, figsize=(10, 6.6))
    for row, kind in zip(grid, KINDS, strict=True):
        for column, (name, listing) in enumerate((("real", real), ("built-in", builtin))):
            sounds = [load_one_shot(path) for path, _ in sounds_of(listing, kind)]
            draw_quantiles(row[column], BAND_EDGES[:-1], [spectrum_db(sound) for sound in sounds])
            row[column].set(xscale="log", xlabel="Hz", title=f"{kind}, {len(sounds)} {name}")
            milliseconds = np.arange(401) * 110 / 44.1
            draw_quantiles(row[column + 2], milliseconds, [envelope_db(sound) for sound in sounds])
            row[column + 2].set(xlim=(0, 500), xlabel="ms", title=f"{kind}, {len(sounds)} {name}")
        row[0].set_ylabel("spectrum, dB")
        row[2].set_ylabel("level, dB")
    save(figure, picture)


def draw_quantiles(axes: Axes, position: np.ndarray, curves: Sequence[np.ndarray]) -> None:
    for quantile, colour in QUANTILES:
        axes.plot(position, np.percentile(curves, quantile, axis=0), color=colour)
    axes.set_ylim(-80, 0)
    axes.grid(visible=True)


def draw_spectrograms(real: Path, builtin: Path, picture: Path) -> None:
    """Draw four real sounds of each kind above four built-in ones, evenly spread over the lists, titled by kit."""
    figure, grid = plt.subplots(6, 4, figsize=(10, 11))
    for number, kind in enumerate(KINDS):
        for row, (name, listing) in zip(grid[2 * number :], (("real", real), ("built-in", builtin)), strict=False):
            sounds = sounds_of(listing, kind)
            for axes, (path, kit) in zip(row, sounds[len(sounds) // 8 :: len(sounds) // 4], strict=False):
                sound = np.resize(np.pad(load_one_shot(path), (0, SAMPLE_RATE)), SAMPLE_RATE // 2)
                draw_spectrogram(axes, sound, 512)
                axes.set_title(kit)
            row[0].set_ylabel(f"{kind}, {name}: Hz")
    for axes in grid[-1]:
        axes.set_xlabel("s")
    save(figure, picture)


def draw_loops(builtin: Path, picture: Path) -> None:
    """Draw three loops of each kind."""
    figure, grid = plt.subplots(4, 3, figsize=(10, 9))
    for row, kind in zip(grid, ("bass", "piano", "guitar", "vocal"), strict=True):
        for axes, (path, kit) in zip(row, sounds_of(builtin, kind)[0::10], strict=False):
            sound, _ = soundfile.read(path, always_2d=True)
            draw_spectrogram(axes, sound.mean(axis=1), 1024 if kind == "vocal" else 2048)
            axes.set_title(kit)
        row[0].set_ylabel(f"{kind}: Hz")
    for axes in grid[-1]:
        axes.set_xlabel("s")
    save(figure, picture)


def draw_spectrogram(axes: Axes, sound: np.ndarray, window: int) -> None:
    # An inaudible tone, because the level of digital silence would be minus infinity.
    floor = 1e-7 * np.sin(np.arange(len(sound)))
    axes.specgram(
        sound + floor, NFFT=window, noverlap=window * 3 // 4, Fs=SAMPLE_RATE, vmin=-135, vmax=-40, cmap="magma"
    )
    axes.set_yscale("symlog", linthresh=500)
    axes.set_ylim(0, 20_000)
    axes.set_yticks([100, 1_000, 10_000])


def save(figure: Figure, picture: Path) -> None:
    figure.tight_layout()
    figure.savefig(picture, dpi=100)
    plt.close(figure)
    # 128 colours look the same and take a third of the bytes.
    with Image.open(picture) as drawn:
        small = drawn.convert("RGB").quantize(128)
    small.save(picture, optimize=True)
    print(picture)


if __name__ == "__main__":
    main()
