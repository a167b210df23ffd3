"""What it takes to render a finished data set's pairs again: the library, and whether to expect the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rmod_pipeline.build.job import STORE_BYTES
from rmod_pipeline.build.log import processor, recall_library
from rmod_pipeline.effects import check_engine
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.render import PitchCache, Sounds
from rmod_pipeline.render.pitch import pitch_folder
from rmod_pipeline.shards.fingerprint import read_fingerprint, versions
from rmod_pipeline.shards.layout import Layout


def open_sounds(manifest: Path | str, sample_rate: int) -> Sounds:
    """Open a library for rendering. Raises ManifestError."""
    return Sounds(AudioStore(load_library(manifest), sample_rate, STORE_BYTES), PitchCache(pitch_folder()))


def sounds_for(out: Path, manifest: str | None = None) -> Sounds:
    """Open the library of a data set: the one given, or where it lay at the build. Raises UsageError, ManifestError."""
    layout = Layout(out)
    known = manifest or recall_library(layout.log).get("manifest")
    if known is None:
        raise UsageError(
            "--library", f"{out} does not say where its library lay", "name the manifest it was built from"
        )
    if manifest is None and not Path(known).is_file():
        raise UsageError("--library", f"the library is no longer at {known}", "name the manifest where it is now")
    fingerprint = read_fingerprint(layout.build)
    check_engine(fingerprint["engine"])
    return open_sounds(known, int(fingerprint["recipe"]["sample_rate"]))


def same_machine(out: Path) -> bool:
    """Return whether the build's versions and processor family are those of this machine: then bits must agree."""
    layout = Layout(out)
    known = recall_library(layout.log).get("processor", processor())
    fingerprint = read_fingerprint(layout.build)
    return known == processor() and fingerprint["versions"] == versions(fingerprint["engine"])


def evenly(keys: Sequence[str], count: int) -> list[str]:
    """Return ``count`` keys spread over all, the first among them; all if there are fewer."""
    count = min(count, len(keys))
    return [keys[place * len(keys) // count] for place in range(count)]
