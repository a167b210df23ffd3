"""How well true one-shots explain their mixtures, beside other sounds: the measure of songs without truth, on pairs.

    python benchmarks/song_fit.py --data OUT --split test --pairs 120

The hits are those of the pairs' specs. Other sounds are the one-shots of two other pairs of the split.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import to_channels
from rmod_pipeline.evaluation.song_fit import explain_song
from rmod_pipeline.reading.data_set import DataPair, DataSet

OTHERS = (3, 5)
"""How many pairs further those are whose one-shots are the other sounds."""


def fit(pair: DataPair, others: Sequence[DataPair]) -> dict[str, float]:
    onset = pair.spec.settings.onset
    onsets = {drum.kind: [onset(note.tick) for note in drum.notes] for drum in pair.spec.targets}
    mix = to_channels(pair.mix, 1)[0]
    own, *rest = (
        explain_song(mix, pair.sample_rate, {kind: to_channels(each.one_shots[kind], 1)[0] for kind in onsets}, onsets)
        for each in (pair, *others)
    )
    of_others = float(np.mean([each.explained for each in rest]))
    return {"true": own.explained, "of other pairs": of_others, "exchanged kinds": own.shuffled or 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--pairs", type=int, default=120)
    options = parser.parse_args()
    data = DataSet(options.data)
    pairs = [data.pair(key) for key in data.keys(options.split)[: options.pairs]]
    fits = [fit(pair, [pairs[(i + step) % len(pairs)] for step in OTHERS]) for i, pair in enumerate(pairs)]
    print("| sounds | explained share, mean | true sounds explain more |")
    print("|---|---|---|")
    print(f"| true | {np.mean([each['true'] for each in fits]):.3f} | |")
    for name in ("of other pairs", "exchanged kinds"):
        won = np.mean([each["true"] > each[name] for each in fits])
        print(f"| {name} | {np.mean([each[name] for each in fits]):.3f} | {won:.1%} of {len(fits)} |")


if __name__ == "__main__":
    main()
