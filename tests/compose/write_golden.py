"""Write the golden specs: run this only when OUTPUT_VERSION is raised.

python -m tests.compose.write_golden
"""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.spec import PairSpec
from tests.compose.compose_examples import Composer, shipped_recipe

GOLDEN = Path(__file__).parent / "golden"
RECIPES = ("rmod", "quick", "rmod_wide")
PAIR_IDS = ((0, "train", 0, 0), (0, "train", 1, 3), (7, "valid", 12, 0), (-1, "test", 99_999_999, 0))
"""Seed, split, index, attempt."""


def golden_specs(recipe: str) -> list[PairSpec]:
    """Return the golden specs of a shipped recipe."""
    composer = Composer(shipped_recipe(recipe))
    return [composer.at(index, split, seed, attempt) for seed, split, index, attempt in PAIR_IDS]


if __name__ == "__main__":
    for name in RECIPES:
        lines = ",\n".join(spec.to_json() for spec in golden_specs(name))
        (GOLDEN / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
