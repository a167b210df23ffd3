"""The spectral centroids of the sounds of a library by kind: where dark, warm and bright begin.

    python benchmarks/sound_brightness.py NAME.csv

NAME.csv is a manifest of `rmod library scan`. Prints the thirds of each class as Markdown, and the limits of
rmod_pipeline/curation/organise/brightness.py beside them. The sounds are measured as a scan measures them, and their
measurements are kept in rmod's cache.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np

from rmod_pipeline.curation.organise.brightness import BRIGHTNESS_LIMITS_HZ, OTHER_LIMITS_HZ, measure_centroid
from rmod_pipeline.curation.organise.kinds import answer_by_name
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.cache import ScanCache, scan_cache_file
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask
from rmod_pipeline.library.scanning.scan import measure_files
from rmod_pipeline.storage.process_identity import available_cores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="a manifest of real sounds")
    centroids = measure_centroids(parser.parse_args().manifest)
    print("| kind | sounds | a third is below | two thirds are below | warm from | bright from |")
    print("|---|---|---|---|---|---|")
    everything = [value for values in centroids.values() for value in values]
    for kind, values in [*sorted(centroids.items()), ("all together", everything)]:
        low, high = np.percentile(values, [100 / 3, 200 / 3])
        limits = BRIGHTNESS_LIMITS_HZ.get(kind, OTHER_LIMITS_HZ)
        print(f"| {kind} | {len(values):,} | {low:,.0f} | {high:,.0f} | {limits[0]:,.0f} | {limits[1]:,.0f} |")


def measure_centroids(manifest: Path) -> dict[str, list[float]]:
    """Return the spectral centroids in Hz of the sounds of a manifest, by class."""
    library = load_library(manifest)
    kinds = {Path(str(library.path_of(asset))): answer_by_name(asset.kind, asset.path).kind for asset in library.assets}
    centroids = defaultdict(list)
    with closing(ScanCache(scan_cache_file())) as cache:
        tasks = [MeasureTask(path, float("inf")) for path in kinds]
        for task, result in measure_files(tasks, cache, available_cores()):
            if isinstance(result, MeasuredFile):
                centroids[kinds[task.path]].append(measure_centroid(result.fingerprint))
    return centroids


if __name__ == "__main__":
    main()
