"""How often a classifier is right about the sounds of one split of a library, class by class.

    python benchmarks/classifier.py --library library.csv [--split test] [--model models/sounds.pth] [--licences any]

Every sound has its class from the manifest. The table has the share of right answers, of those above the threshold, how
many are above it, and what the others are taken for. The intervals hold 95 % of the shares when kits are drawn again.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np

from rmod_pipeline.classification.classifier import open_classifier, prepare_sound
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.licences.selection import parse_licence_class, select_by_class
from rmod_pipeline.library.read import decode_verified
from rmod_pipeline.library.scanning.resolve import resolve_library
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.training.classifier.sounds import label_asset

DRAWS = 2000


def interval(right: list[bool], kits: list[str]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 per cent of the mean when kits are drawn with replacement."""
    names = sorted(set(kits))
    sums = np.array([[sum(ok for ok, kit in zip(right, kits, strict=True) if kit == name)] for name in names])[:, 0]
    counts = np.array([kits.count(name) for name in names])
    generator = np.random.Generator(np.random.Philox(0))
    drawn = generator.integers(0, len(names), (DRAWS, len(names)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--licences", default="any")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    use_threads(1)
    classifier = open_classifier(options.model)
    library = select_by_class(resolve_library(options.library), parse_licence_class(options.licences))
    rows = []
    for asset in library.assets:
        label = label_asset(asset)
        if asset.split != options.split or label is None:
            continue
        try:
            decoded = decode_verified(library.path_of(asset), asset.sha256)
        except AssetError as error:
            print(f"left out: {error}")
            continue
        (answer,) = classifier.classify([prepare_sound(decoded.audio, decoded.sample_rate)])
        rows.append((label, asset.kit or asset.group, answer))
    print(
        f"{len(rows)} sounds of {len({kit for _, kit, _ in rows})} kits, threshold {classifier.calibration.threshold}\n"
    )
    print("| class | sounds | right | above the threshold | right of these | taken for |")
    print("|---|---|---|---|---|---|")
    for kind in ("all", *CLASSES):
        own = [row for row in rows if kind in ("all", row[0][0])]
        if not own:
            continue
        right = [answer.best.kind == label[0] for label, _, answer in own]
        sure = [row for row in own if row[2].is_certain]
        sure_right = sum(answer.best.kind == label[0] for label, _, answer in sure)
        wrong = Counter(answer.best.kind for label, _, answer in own if answer.best.kind != label[0]).most_common(3)
        listed = ", ".join(f"{name} {count}" for name, count in wrong) if kind != "all" else ""
        low, high = interval(right, [kit for _, kit, _ in own])
        share = f"{sure_right / len(sure):.0%}" if sure else "-"
        print(
            f"| {kind} | {len(own)} | {np.mean(right):.1%} ({low:.0%} to {high:.0%}) "
            f"| {len(sure) / len(own):.0%} | {share} | {listed} |"
        )
    parts = [row for row in rows if row[0][1] and row[2].best.kind == row[0][0]]
    if parts:
        known = np.mean([answer.best.subkind == label[1] for label, _, answer in parts])
        print(f"\nOf {len(parts)} right answers whose subkind is known, {known:.0%} name it.")


if __name__ == "__main__":
    main()
