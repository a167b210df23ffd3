"""List and read the families of tokens and of features of a data set."""

from __future__ import annotations

from rmod_pipeline.errors import ShardError
from rmod_pipeline.shards.layout import FEATURES, TOKENS
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.shards.windows.feature_family import feature_names, read_features
from rmod_pipeline.storage import Location


def family_folders(out: Location) -> list[str]:
    """Return the folders of all families, tokens first, such as ``tokens/mini-1a2b3c4d``."""
    tokens = [f"{TOKENS}/{name}" for name in family_names(out)]
    return [*tokens, *(f"{FEATURES}/{name}" for name in feature_names(out))]


def read_folder(out: Location, folder: str) -> WindowFamily:
    """Read the family of a folder such as ``tokens/mini-1a2b3c4d``. Raises ShardError."""
    top, _, name = folder.partition("/")
    return read_features(out, name) if top == FEATURES else read_family(out, name)


def find_any_folder(out: Location) -> str:
    """Return the folder of the first family of tokens, else of features; all store the same spec of a pair.

    Raises ShardError if there is none.
    """
    folders = family_folders(out)
    if not folders:
        raise ShardError(out, "stores neither audio nor tokens", "run the build command again")
    return folders[0]
