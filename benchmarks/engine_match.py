"""Measure how near the fused engine is to pedalboard, over whole pairs of each recipe.

    python benchmarks/engine_match.py [--library lib.csv] [--recipe rmod --recipe rmod_wide ...] [--pairs 100] [--write]

Compared with it is pedalboard with an input that is 1e-7 louder: two mixtures that nobody can tell apart, and that
differ because a compressor's attack begins a frame later. `--write` puts the table into docs/lab/performance.md.
Takes a quarter of a second per pair.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from performance import PAGE, describe_machine, report
from render import Bench, difference_db

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.effects import FUSED
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import Pair, Sounds, mixing, render_pairs
from rmod_pipeline.render import pair as rendering
from rmod_pipeline.spec import PairSpec

BEGIN, END = "<!-- written by benchmarks/engine_match.py -->\n", "<!-- end of the match -->\n"
RECIPES = ("rmod", "rmod_wide", "rmod_varied", "rmod_ear", "rmod_drums_only", "rmod_drums_only_varied", "quick")
"""Those that play grooves have the effects of others."""
LOUDER = np.float32(1.0000001)


@dataclass(frozen=True, slots=True)
class Match:
    """How near two engines are in one pair."""

    fused_db: float
    """RMS of the difference between the mixtures, relative to pedalboard's."""
    itself_db: float
    """The same for pedalboard with a louder input."""
    levels: float
    """Largest difference between measured numbers of the engines; most are levels in dB."""
    has_equal_targets: bool


def match_pair(spec: PairSpec, sounds: Sounds) -> Match:
    """Compare the engines in one pair."""
    expected, fused = (render_pairs([each], sounds)[0] for each in (spec, spec.with_engine(FUSED)))
    mix_pairs = mixing.mix_pairs

    def mix_louder(dry: Sequence[mixing.DryPair], **_options: bool) -> list[mixing.MixedPair]:
        return mix_pairs([(spec, [audio * LOUDER for audio in tracks]) for spec, tracks in dry])

    with patch.object(rendering, "mix_pairs", mix_louder):
        itself = render_pairs([spec], sounds)[0]
    return Match(
        difference_db(from_pcm(expected.mix), from_pcm(fused.mix)),
        difference_db(from_pcm(expected.mix), from_pcm(itself.mix)),
        compare_levels(expected, fused),
        all(np.array_equal(fused.targets[kind], target) for kind, target in expected.targets.items()),
    )


def compare_levels(one: Pair, other: Pair) -> float:
    """Return the largest difference between the numbers that are recorded about two pairs."""
    numbers, others = (list(list_numbers(pair.measured.to_dict())) for pair in (one, other))
    return max(abs(a - b) for a, b in zip(numbers, others, strict=True))


def list_numbers(content: Any) -> Iterator[float]:
    """Yield the numbers of nested dictionaries and lists."""
    if isinstance(content, dict | list):
        for each in content.values() if isinstance(content, dict) else content:
            yield from list_numbers(each)
    elif isinstance(content, int | float):
        yield float(content)


def measure(options: argparse.Namespace) -> str:
    """Return the section of the page."""
    library, rows = load_library(options.library), []
    for recipe in options.recipe or RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(load_recipe(find_recipe(recipe)), library, Path(folder))
            sounds = bench.sounds(Path(folder) / "prepared")
            found = [match_pair(bench.spec(index), sounds) for index in range(options.pairs)]
        fused, itself = [each.fused_db for each in found], [each.itself_db for each in found]
        nearer = sum(each.fused_db <= each.itself_db for each in found)
        cells = [
            f"{statistics.median(fused):.1f} ({max(fused):.1f})",
            f"{statistics.median(itself):.1f} ({max(itself):.1f})",
            f"{nearer} of {len(found)}",
            f"{max(each.levels for each in found):.3f} dB",
            f"{sum(each.has_equal_targets for each in found)} of {len(found)}",
        ]
        rows.append(f"| `{recipe}` | {' | '.join(cells)} |")
        print(rows[-1], flush=True)
    header = (
        "| recipe | fused from pedalboard, dB | pedalboard from itself, dB | pairs with fused nearer | "
        "largest difference of levels | pairs with equal targets |"
    )
    introduction = (
        f"{len(library.assets):,} sounds, {options.pairs} pairs per recipe. RMS of the difference relative to the "
        "mixture: median (worst)."
    )
    return "\n\n".join([introduction, describe_machine(), "\n".join([header, "|---|" + 5 * "---|", *rows])]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="builtin", help="a manifest, or builtin")
    parser.add_argument("--recipe", action="append", help=f"repeatable; by default {', '.join(RECIPES)}")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--write", action="store_true", help=f"write the section into {PAGE.name}")
    report(measure, parser.parse_args(), BEGIN, END)


if __name__ == "__main__":
    main()
