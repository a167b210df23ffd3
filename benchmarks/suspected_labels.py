"""How many of the labels that a listening scan doubts are wrong: with wrong labels planted, and by a second system.

    python benchmarks/suspected_labels.py --library library.csv [--split test] [--planted 0.1] [--comparison OUT]

Every tenth label of a drum is exchanged for another class. The scan's own rule (`hear_kinds`) then lists suspects.
Precision is the share of planted ones among them. As some labels of real packs are wrong too, it is a lower bound; the
suspects whose labels were not planted are listed. With `--comparison`, the folder of `rmod classify compare` with the
same library, the network that was trained without a sound's kit says which of these it doubts as well.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.curation.classify_files import ClassifierChoice
from rmod_pipeline.curation.listener import ClassifierListener
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.listening import hear_kinds
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS, class_of


def plant(asset: Asset, share: float, kinds: list[str]) -> str:
    """Return the kind of an asset, or for some of them, drawn by name, another one."""
    draw = Draw.of("planted", asset.sha256)
    if draw.at("is").uniform() >= share:
        return asset.kind
    own = class_of(asset.kind)
    others = [kind for kind in kinds if class_of(kind) != own and (class_of(kind) or ("",))[0] != (own or ("",))[0]]
    return others[int(draw.at("kind").uniform() * len(others))]


def read_second_opinions(folder: Path, system: str = "network") -> dict[str, dict[str, float]]:
    """Return the probabilities of each class by the checksum of a sound, from the answers of a comparison."""
    opinions: dict[str, dict[str, float]] = {}
    for path in sorted(folder.glob(f"answers/{system}/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = row.pop("key")
                opinions[key] = {name: float(value) for name, value in row.items() if name != "truth"}
    return opinions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--planted", type=float, default=0.1)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--comparison", type=Path)
    options = parser.parse_args()
    use_threads(1)
    library = load_library(options.library)
    assets = [a for a in library.assets if a.split == options.split and a.kind in ONE_SHOT_KINDS]
    kinds = sorted({asset.kind for asset in assets})
    described, planted = {}, {}
    by_path = {}
    for asset in assets:
        path = library.path_of(asset)
        assert isinstance(path, Path)
        kind = plant(asset, options.planted, kinds)
        described[path], by_path[path] = PathDescription(kind=kind), asset
        if kind != asset.kind:
            planted[path] = asset.kind
    _, suspects = hear_kinds(described, ClassifierListener(choice=ClassifierChoice(options.model)))
    found = [suspect for suspect in suspects if suspect.path in planted]
    right = [suspect for suspect in found if class_of(suspect.by_ear) == class_of(planted[Path(suspect.path)])]
    print(f"{len(assets)} drums, {len(planted)} wrong labels planted, {len(suspects)} suspects")
    if suspects:
        print(f"precision {len(found) / len(suspects):.0%}, recall {len(found) / max(len(planted), 1):.0%}")
    if found:
        print(f"of the planted ones that are found, {len(right) / len(found):.0%} get their true kind back")
    opinions = read_second_opinions(options.comparison) if options.comparison else {}
    doubted = 0
    others = [suspect for suspect in suspects if suspect.path not in planted]
    for suspect in others:
        asset = by_path[Path(suspect.path)]
        named = (class_of(asset.kind) or ("", ""))[0]
        own = opinions.get(asset.sha256, {}).get(named)
        doubted += own is not None and own < 0.5
        second = "" if own is None else f"; the second system gives {named} {own:.2f}"
        print(f"  {asset.path}: {suspect.claimed}, by ear {suspect.by_ear} ({suspect.confidence:.2f}){second}")
    if opinions and others:
        print(f"of {len(others)} suspects that were not planted, the second system doubts {doubted}")


if __name__ == "__main__":
    main()
