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
        CodecChoice,
        ComputeConfig,
        DataPair,
        DataSet,
        Extraction,
        ExtractionConfig,
        Grooves,
        GrooveScanResult,
        IncompleteBuildError,
        Library,
        Recipe,
        Release,
        ReleaseCheck,
        ReportFiles,
        RmodError,
        ScanResult,
        Verification,
        build,
        check_grooves,
        check_library,
        compute_features,
        decode,
        encode,
        evaluate,
        extract,
        fetch_codec,
        import_checkpoint,
        import_pairs,
        list_codecs,
        load_recipe,
        open_codec,
        open_dataset,
        open_grooves,
        open_library,
        preview,
        recipe_schema,
        release,
        report,
        rerender,
        scan,
        scan_grooves,
        status,
        train,
        train_codec,
        verify,
        verify_release,
    )

__version__ = "0.1.0"

OUTPUT_VERSION = 3
"""Rises whenever the bytes of a default build change, so that a resume never mixes two outputs."""

__all__ = [
    "BuildResult",
    "CodecChoice",
    "ComputeConfig",
    "DataPair",
    "DataSet",
    "Extraction",
    "ExtractionConfig",
    "GrooveScanResult",
    "Grooves",
    "ImportResult",
    "IncompleteBuildError",
    "Library",
    "Recipe",
    "Release",
    "ReleaseCheck",
    "ReportFiles",
    "RmodError",
    "ScanResult",
    "Verification",
    "build",
    "check_grooves",
    "check_library",
    "compute_features",
    "decode",
    "encode",
    "evaluate",
    "extract",
    "fetch_codec",
    "import_checkpoint",
    "import_pairs",
    "list_codecs",
    "load_recipe",
    "open_codec",
    "open_dataset",
    "open_grooves",
    "open_library",
    "preview",
    "recipe_schema",
    "release",
    "report",
    "rerender",
    "scan",
    "scan_grooves",
    "status",
    "train",
    "train_codec",
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
