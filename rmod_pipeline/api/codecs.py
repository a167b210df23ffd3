"""Codecs: list, download, open, train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline import codec
from rmod_pipeline.api.arguments import LibraryLike, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.codec.catalogue import KnownCodec


open_codec = speaks_python(codec.open_codec)


def list_codecs() -> list[KnownCodec]:
    """Return the codecs that rmod knows by name."""
    from rmod_pipeline.codec.catalogue import KNOWN

    return list(KNOWN.values())


@speaks_python
def fetch_codec(name: str, *, progress: bool = True) -> Path:
    """Download a codec's weights into rmod's cache, check them, and return their path. Resumes a broken download."""
    from rmod_pipeline.codec.catalogue import find_known
    from rmod_pipeline.codec.download import download_weights
    from rmod_pipeline.progress import download_progress

    with download_progress("weights", progress) as on_bytes:
        return download_weights(find_known(name), on_bytes)


@speaks_python
def train_codec(
    recipe: str | Path,
    *,
    library: LibraryLike | Sequence[LibraryLike],
    out: str | Path,
    minutes: float | None = None,
    threads: int = 1,
    device: str = "cpu",
    begin_from: str | None = None,
    on_report: Callable[[dict[str, Any]], None] = lambda _report: None,
    progress: bool = True,
) -> Path:
    """Fit a small codec to the sounds of libraries, or resume a training. Return its checkpoint.

    minutes: another time budget than the recipe's. begin_from: a codec whose decoder alone is trained further.
    on_report: called with the held-out figures of each validation. Raises RecipeError, CodecError, BuildError.
    """
    from rmod_pipeline.progress import share_progress
    from rmod_pipeline.training.codec.run import train_from_libraries

    libraries = library if isinstance(library, Sequence) and not isinstance(library, str) else [library]
    opened = [open_library(each, progress=progress) for each in libraries]
    with share_progress("training", progress) as on_step:
        return train_from_libraries(
            str(recipe),
            opened,
            parse_local_path(out),
            minutes=minutes,
            threads=threads,
            device=device,
            begin_from=begin_from,
            on_report=on_report,
            on_step=on_step,
        )
