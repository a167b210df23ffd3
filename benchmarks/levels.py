"""Measure how loud and how wide mixtures are, beside the two that the authors of the paper published.

    python benchmarks/levels.py                                     the built-in kit, a table
    python benchmarks/levels.py --library lib.csv --pairs 300 --out docs/images --name real

The figures of docs/lab/levels.md. Takes about 0.15 s per pair on one core once the shifts of the loops are cached.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.effects import PEDALBOARD
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.pipeline.judge import judge
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe
from rmod_pipeline.render import PairLevels, PreparedCache, Sounds, render_pair
from rmod_pipeline.render.measure import MixLevels
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.spec import PairId

ENOUGH = 0.95
"""Share of pairs that must lie within each limit."""

PERCENTILES = (5, 25, 50, 75, 95)


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a mixture with its limits and the values of the two published mixtures."""

    field: str
    title: str
    unit: str
    shown: tuple[float, float]
    limits: tuple[float, float] | None = None
    published: tuple[float, ...] = ()


LEVELS = (
    Level("lufs", "Integrated loudness", "LUFS", (-26, 0), (-18, -5), (-5.9, -14.0)),
    Level("rms_dbfs", "RMS", "dBFS", (-28, -2), None, (-9.4, -16.5)),
    Level("peak_dbfs", "Peak", "dBFS", (-12, 0.5), None, (0.0, -1.2)),
    Level("side_mid_db", "Side over mid", "dB", (-30, 3), (-20, -3), (-9.0,)),
    Level("full_scale_share", "Samples at full scale", "%", (0, 1.0), (0, 0.5)),
)


def mix_levels(manifest: str, recipe: Recipe, pairs: int, rejects: Counter[str]) -> Iterator[MixLevels]:
    """Render the first pairs of the training set as a build does; yield their levels and count the rejects."""
    library = load_library(manifest)
    assets, settings = SplitAssets.of(recipe, library, "train"), make_settings(recipe, PEDALBOARD)
    sounds = Sounds(AudioStore(library, recipe.sample_rate), PreparedCache(prepared_folder()))
    for index in range(pairs):
        for attempt in range(recipe.reject.attempts):
            pair_id = PairId(seed=0, split="train", index=index, attempt=attempt)
            measured: PairLevels = render_pair(compose_pair(recipe, assets, settings, pair_id), sounds).measured
            reject = judge(measured, recipe.reject)
            if reject is None:
                yield measured.mix
                break
            rejects[reject.reason] += 1


def values_of(level: Level, measured: Sequence[MixLevels]) -> NDArray[np.float64]:
    """Return one level of all pairs [pairs]; shares in per cent."""
    values = np.array([getattr(mix, level.field) for mix in measured], dtype=np.float64)
    return values * 100 if level.unit == "%" else values


def share_within(level: Level, measured: Sequence[MixLevels]) -> float:
    """Return the share of pairs within the limits of a level, from 0 to 1."""
    low, high = level.limits or (-np.inf, np.inf)
    values = values_of(level, measured)
    return float(np.mean((values >= low) & (values <= high)))


def table(measured: Sequence[MixLevels]) -> str:
    """Return the levels as a Markdown table."""
    head = ["level", *(f"{percentile} %" for percentile in PERCENTILES), "published", "limits", "within"]
    rows = [head, ["---"] * len(head)]
    for level in LEVELS:
        marks = ", ".join(f"{mark:g}" for mark in level.published) or "-"
        limits = "{:g} .. {:g}".format(*level.limits) if level.limits else "-"
        within = f"{share_within(level, measured):.1%}" if level.limits else "-"
        points = [f"{point:.2f}" for point in np.percentile(values_of(level, measured), PERCENTILES)]
        rows.append([f"{level.title}, {level.unit}", *points, marks, limits, within])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def plot(measured: Sequence[MixLevels], title: str, path: Path) -> None:
    """Draw a histogram of every level, with the limits shaded and the published mixtures marked."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, len(LEVELS), figsize=(15, 3.2), constrained_layout=True)
    for level, axes in zip(LEVELS, places, strict=True):
        values = np.clip(values_of(level, measured), *level.shown)
        if level.limits:
            axes.axvspan(*level.limits, color="#e9eef3", zorder=0)
            axes.set_title(f"{level.title}\n{share_within(level, measured):.1%} within the limits", fontsize=10)
        else:
            axes.set_title(f"{level.title}\n", fontsize=10)
        axes.hist(values, bins=26, range=level.shown, color="#3b6fa0", zorder=2)
        for mark in level.published:
            axes.axvline(mark, color="#d1495b", linewidth=1.6, linestyle="--", zorder=3)
        axes.set_xlim(*level.shown)
        axes.set_xlabel(level.unit)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    places[0].set_ylabel("pairs")
    figure.suptitle(f"{title}: {len(measured)} mixtures. Dashed: the two published ones. Shaded: limits.", fontsize=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="builtin", help="a manifest, or builtin")
    parser.add_argument("--recipe", default="rmod", help="a recipe's name or file")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--out", type=Path, help="folder for the plot; none by default")
    parser.add_argument("--name", default="builtin", help="part of the name of the plot: levels-NAME.png")
    options = parser.parse_args()
    recipe = load_recipe(find_recipe(options.recipe))
    rejects: Counter[str] = Counter()
    measured = list(mix_levels(options.library, recipe, options.pairs, rejects))
    print(f"{len(measured)} mixtures of {recipe.name}; rejected on the way: {dict(rejects) or 'none'}\n")
    print(table(measured))
    for level in LEVELS:
        if level.limits and share_within(level, measured) < ENOUGH:
            print(f"\n{level.title}: fewer than {ENOUGH:.0%} within {level.limits[0]:g} .. {level.limits[1]:g}")
    if options.out:
        plot(measured, f"{recipe.name}, {options.name} library", options.out / f"levels-{options.name}.png")


if __name__ == "__main__":
    main()
