"""Length, centre of the spectrum and loudness of real one-shots by pad: the table of `rmod kit make`.

    python benchmarks/drum_kit_pads.py --real DIR

The rows of rmod_pipeline/curation/drum_kit/pads.py, as Markdown: medians, and quartiles in brackets. DIR holds CSV
files with the columns path, kind and tag, and the files that they name. Takes two minutes.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import to_channels
from rmod_pipeline.curation.drum_kit.measure import RATE, SoundShape, measure_pad_loudness, measure_shape
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.read import read_sound, resample, trim_leading_silence

FILES = ("library.csv", "kits/kits.csv", "percussion/percussion.csv")
PADS = {
    ("kick", ""): "kick", ("snare", ""): "snare", ("clap", ""): "clap", ("clap", "hand"): "clap",
    ("rim", "rimshot"): "rim", ("rim", "sidestick"): "rim", ("hihat", "closed"): "hihat_closed",
    ("hihat", "pedal"): "hihat_pedal", ("hihat", "open"): "hihat_open", ("tom", "low"): "tom_low",
    ("tom", "mid"): "tom_mid", ("tom", "high"): "tom_high", ("cymbal", "crash"): "crash", ("cymbal", "ride"): "ride",
    ("cymbal", "splash"): "splash", ("cymbal", "china"): "china", ("cowbell", ""): "cowbell",
    ("perc", "tambourine"): "tambourine", ("perc", "shaker"): "shaker", ("perc", "cabasa"): "shaker",
    ("perc", "maraca"): "shaker", ("perc", "conga"): "conga", ("perc", "bongo"): "bongo", ("perc", "clave"): "clave",
}  # fmt: skip
"""The pad of a kind and a tag."""
SECONDS = 8.0


def main() -> None:
    """Print the table of shapes, and that of levels within kits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="a folder of real one-shots with CSV files")
    shapes, levels = measure_all(parser.parse_args().real)
    print("| pad | one-shots | seconds | centre, Hz | loudness at a peak of 0 dBFS, LUFS |\n|---|---|---|---|---|")
    for pad in dict.fromkeys(PADS.values()):
        of_pad = shapes[pad]
        cells = [
            quartiles([getattr(shape, name) for shape in of_pad]) for name in ("seconds", "centre_hz", "loudness_db")
        ]
        print(f"| {pad} | {len(of_pad)} | {' | '.join(cells)} |")
    print("\n| pad | kits | loudness relative to the snare of the kit, dB |\n|---|---|---|")
    for pad in dict.fromkeys(PADS.values()):
        relative = [max(kit[pad]) - max(kit["snare"]) for kit in levels.values() if pad in kit and "snare" in kit]
        print(f"| {pad} | {len(relative)} | {quartiles(relative)} |")


def measure_all(folder: Path) -> tuple[dict[str, list[SoundShape]], dict[str, dict[str, list[float]]]]:
    """Return the shapes of all one-shots by pad, at a peak of 0 dBFS, and their loudness as stored by kit and pad."""
    shapes: dict[str, list[SoundShape]] = defaultdict(list)
    levels: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in FILES:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                pad = PADS.get((row["kind"], row.get("tag", "")))
                if pad is None:
                    continue
                try:
                    audio, rate = read_sound(folder / row["path"])
                except AssetError:
                    continue
                mono = resample(to_channels(trim_leading_silence(audio), 1), rate, RATE)[0, : round(SECONDS * RATE)]
                peak = float(np.abs(mono).max(initial=0))
                if peak > 0:
                    shapes[pad].append(measure_shape(mono / np.float32(peak)))
                    levels[row["kit"]][pad].append(measure_pad_loudness(mono))
    return shapes, levels


def quartiles(values: list[float]) -> str:
    """Return median and quartiles as text."""
    if not values:
        return ""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


if __name__ == "__main__":
    main()
