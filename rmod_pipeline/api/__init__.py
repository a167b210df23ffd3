"""The front door: what the `rmod` command does, as Python functions with typed records.

    import rmod_pipeline as rmod

    data = rmod.build("quick", library="builtin", out="demo", pairs={"train": 24})
    for pair in data.pairs("train"):
        pair.mix, pair.one_shots["kick"], pair.spec, pair.levels

Every function raises a subclass of ``rmod_pipeline.errors.RmodError`` for a mistake that the caller can mend. Its
message says what is wrong, where, and what to do, with the names of parameters. ``progress=False`` turns progress off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmod_pipeline.api.codecs import fetch_codec, list_codecs, open_codec, train_codec
from rmod_pipeline.api.datasets import (
    build,
    compute_features,
    decode,
    encode,
    import_pairs,
    open_dataset,
    preview,
    rerender,
    status,
    verify,
)
from rmod_pipeline.api.grooves import check_grooves, open_grooves, scan_grooves
from rmod_pipeline.api.libraries import check_library, open_library, scan
from rmod_pipeline.api.models import evaluate, extract, import_checkpoint, train
from rmod_pipeline.api.releases import release, verify_release
from rmod_pipeline.api.reports import ReportFiles, report
from rmod_pipeline.api.results import BuildResult, GrooveScanResult, ImportResult, IncompleteBuildError, ScanResult
from rmod_pipeline.api.sounds.classifier_comparison import ClassifierComparisonResult, compare_classifiers
from rmod_pipeline.api.sounds.classifiers import train_classifier
from rmod_pipeline.api.sounds.classifying import ClassifyResult, classify
from rmod_pipeline.api.sounds.harvesting import HarvestResult, harvest
from rmod_pipeline.api.sounds.kits import KitResult, LoopResult, make_kit, play_kit
from rmod_pipeline.api.sounds.organising import organise, undo_organise
from rmod_pipeline.api.sounds.searching import LibraryMap, SimilarSounds, find_similar, map_library
from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.curation.organise.run import OrganiseResult
from rmod_pipeline.curation.organise.undo import UndoResult
from rmod_pipeline.errors import RmodError
from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
from rmod_pipeline.inspection.full_check import Verification
from rmod_pipeline.library.asset import Library
from rmod_pipeline.patterns.manifest import Grooves
from rmod_pipeline.pipeline.executors.config import ComputeConfig
from rmod_pipeline.reading.data_set import DataPair, DataSet
from rmod_pipeline.recipe import Recipe, recipe_schema
from rmod_pipeline.recipe import resolve_recipe as load_recipe

if TYPE_CHECKING:
    from rmod_pipeline.releases.folder.check import ReleaseCheck
    from rmod_pipeline.releases.make import Release

__all__ = [
    "BuildResult",
    "ClassifierComparisonResult",
    "ClassifyResult",
    "CodecChoice",
    "ComputeConfig",
    "DataPair",
    "DataSet",
    "Extraction",
    "ExtractionConfig",
    "GrooveScanResult",
    "Grooves",
    "HarvestResult",
    "ImportResult",
    "IncompleteBuildError",
    "KitResult",
    "Library",
    "LibraryMap",
    "LoopResult",
    "OrganiseResult",
    "Recipe",
    "Release",
    "ReleaseCheck",
    "ReportFiles",
    "RmodError",
    "ScanResult",
    "SimilarSounds",
    "UndoResult",
    "Verification",
    "build",
    "check_grooves",
    "check_library",
    "classify",
    "compare_classifiers",
    "compute_features",
    "decode",
    "encode",
    "evaluate",
    "extract",
    "fetch_codec",
    "find_similar",
    "harvest",
    "import_checkpoint",
    "import_pairs",
    "list_codecs",
    "load_recipe",
    "make_kit",
    "map_library",
    "open_codec",
    "open_dataset",
    "open_grooves",
    "open_library",
    "organise",
    "play_kit",
    "preview",
    "recipe_schema",
    "release",
    "report",
    "rerender",
    "scan",
    "scan_grooves",
    "status",
    "train",
    "train_classifier",
    "train_codec",
    "undo_organise",
    "verify",
    "verify_release",
]


def __getattr__(name: str) -> Any:
    # On first use: what makes a release imports reports and pages, which a build does without.
    if name == "Release":
        from rmod_pipeline.releases.make import Release

        return Release
    if name == "ReleaseCheck":
        from rmod_pipeline.releases.folder.check import ReleaseCheck

        return ReleaseCheck
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
