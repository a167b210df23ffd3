"""Check a library against its files, and count what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.manifest import SPLITS
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.read import check_unchanged, read_bytes, repair_hint
from rmod_pipeline.library.scanning.cache import ScanCache, scan_cache_file
from rmod_pipeline.library.splits import DIVIDED_GROUP_HINT, find_divided_groups
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """Statistics of one kind."""

    kind: str
    by_split: dict[str, int]
    """Number of files by split."""
    groups: int
    seconds: float
    """Total duration."""

    @property
    def files(self) -> int:
        """Number of files in all splits."""
        return sum(self.by_split.values())


def count_kinds(assets: Sequence[Asset]) -> list[KindCount]:
    """Return the statistics of each kind, sorted by name."""
    counts = []
    for kind in sorted({asset.kind for asset in assets}):
        of_kind = [asset for asset in assets if asset.kind == kind]
        by_split = Counter(asset.split for asset in of_kind)
        counts.append(
            KindCount(
                kind=kind,
                by_split={split: by_split[split] for split in SPLITS},
                groups=len({asset.group for asset in of_kind}),
                seconds=sum(asset.seconds for asset in of_kind),
            )
        )
    return counts


def find_problems(library: Library, progress: ScanProgress | None = None) -> Iterator[str]:
    """Yield one line per problem: a group in several splits, a missing file, a file that changed since the scan."""
    for group, splits in find_divided_groups(library):
        yield f"group {group} is in {splits} -> {DIVIDED_GROUP_HINT}"
    for done, asset in enumerate(library.assets, start=1):
        path = library.path_of(asset)
        try:
            check_unchanged(read_bytes(path), path, asset.sha256)
        except AssetError as error:
            _forget_measurement(path)
            yield f"{asset.path}: {error.found} -> {repair_hint(library, path, error)}"
        if progress:
            progress("Checking", done, len(library.assets))


def _forget_measurement(path: Location) -> None:
    """Have the next scan measure a file again, also on a file system that keeps no change times."""
    if isinstance(path, Path):
        cache = ScanCache(scan_cache_file())
        cache.forget_measurement(path.resolve())
        cache.close()
