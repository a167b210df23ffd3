"""What API functions accept in several forms, and how their errors speak."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.patterns.manifest import Grooves
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.storage import Location, StorePath, parse_local_path, parse_location

RecipeLike = str | Path | Mapping[str, Any] | Recipe
"""The name of a recipe that comes with rmod, the path of a YAML file, a mapping of its keys, or a loaded recipe."""

LibraryLike = str | Path | Location | Library
"""``builtin``, a manifest, a folder of sounds, or an open library."""

GroovesLike = str | Path | Location | Grooves
"""A manifest of grooves, or open ones."""

CodecLike = str | Path | CodecChoice
"""The name of a codec, the path of its weights, or a ``CodecChoice`` with device, precision and batch."""

DataLike = str | Path | Location | DataSet
"""The folder or address of a data set, or an open one."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def speaks_python(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Have the errors of a function name parameters instead of flags, and the data set instead of OUT."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except RmodError as error:
            arguments = signature(function).bind_partial(*args, **kwargs).arguments
            data = arguments.get("data", arguments.get("source"))
            if isinstance(data, str | Path | StorePath | DataSet):
                with suppress(RmodError):  # an invalid address is what the error is about
                    error.name_data_set(location_of(data))
            error.speak_python(signature(function).parameters)
            raise

    return call


def location_of(data: DataLike) -> Location:
    """Return where a data set lies."""
    if isinstance(data, DataSet):
        return data.out
    return parse_location(data)


def parse_local_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return one or several local paths as a list. Raises UsageError for an address."""
    return [parse_local_path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]


def check_workers(workers: Any) -> None:
    """Raise UsageError unless a number of worker processes is a whole number from 0 on."""
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise UsageError("--workers", f"{workers!r} is no number of processes", "give a whole number, 0 for all cores")
