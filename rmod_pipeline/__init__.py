"""Training data for models that extract drum one-shots from finished music.

    import rmod_pipeline as rmod

    data = rmod.build("quick", library="builtin", out="demo", pairs={"train": 24})
    kick = rmod.extract("song.mp3", checkpoint="models")["kick"].best.audio

``rmod_pipeline.api`` documents the public functions; ``docs/explanation/architecture.md`` walks through the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmod_pipeline.api import (
        BuildResult,
        ClassifierComparisonResult,
        ClassifyResult,
        CodecChoice,
        ComputeConfig,
        DataPair,
        DataSet,
        Extraction,
        ExtractionConfig,
        Grooves,
        GrooveScanResult,
        HarvestResult,
        IncompleteBuildError,
        KitResult,
        Library,
        LibraryMap,
        LoopResult,
        OrganiseResult,
        Recipe,
        Release,
        ReleaseCheck,
        ReportFiles,
        RmodError,
        ScanResult,
        SimilarSounds,
        UndoResult,
        Verification,
        build,
        check_grooves,
        check_library,
        classify,
        compare_classifiers,
        compute_features,
        decode,
        encode,
        evaluate,
        extract,
        fetch_codec,
        find_similar,
        harvest,
        import_checkpoint,
        import_pairs,
        list_codecs,
        load_recipe,
        make_kit,
        map_library,
        open_codec,
        open_dataset,
        open_grooves,
        open_library,
        organise,
        play_kit,
        preview,
        recipe_schema,
        release,
        report,
        rerender,
        scan,
        scan_grooves,
        status,
        train,
        train_classifier,
        train_codec,
        undo_organise,
        verify,
        verify_release,
    )

__version__ = "0.1.0"

OUTPUT_VERSION = 3
"""Rises whenever the bytes of a default build change, so that a resume never mixes two outputs."""

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
    # On first use: a worker that renders pairs does not import what trains models.
    if name in __all__:
        from rmod_pipeline import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
