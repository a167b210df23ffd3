"""The errors a user can meet: what it concerns, what was found, what to do.

Everything here is a user's to mend (a file, a recipe, an option), so the command line prints it without a
traceback and exits with 2. Anything else that is raised is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_COMMAND = re.compile(r"(`?rmod (?:library |recipe |codec |dose )?[a-z]+(?: [^`;:,()\n]*)?`?)")
"""An ``rmod`` command in a message: its flags stay flags in Python too."""

_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")

_PARAMETERS = {
    "format": "audio_format",
    "no-audio": "audio=False",
    "no-space-check": "check_space=False",
    "splits": "shares",
    "json": "as_json",
}
"""Flags whose parameter has another name."""


class RmodError(Exception):
    """A mistake a user can mend: ``about`` names the datum, ``found`` what stands there, ``hint`` what to do."""

    def __init__(self, about: object, found: str, hint: str = "") -> None:
        super().__init__(about, found, hint)
        self.about, self.found, self.hint = str(about), found, hint
        self._from_python = False

    def __str__(self) -> str:
        return self.in_python() if self._from_python else self.in_shell()

    def in_shell(self) -> str:
        """Return the message with the names of the command line: ``--shard-size``."""
        remedy = f"\n  -> {self.hint}" if self.hint else ""
        return f"{self.about}: {self.found}{remedy}"

    def in_python(self) -> str:
        """Return the message with the names of the Python API: ``shard_size``."""
        return _flags_to_parameters(self.in_shell())

    def speak_python(self) -> None:
        """Use the names of the Python API in ``str(error)`` from here on."""
        self._from_python = True


class AssetError(RmodError):
    """A source file cannot be used."""


class ManifestError(RmodError):
    """A library manifest or a labels file is not what it should be."""


class LibraryError(RmodError):
    """A library as a whole does not serve the purpose asked for."""


class RecipeError(RmodError):
    """A recipe says something that cannot be built."""


class BuildError(RmodError):
    """A build cannot start, go on or finish."""


class ShardError(RmodError):
    """A finished data set is not what its receipts say."""


class UsageError(RmodError):
    """An option of a command has a value that it cannot have."""


class CodecError(RmodError):
    """A codec cannot be found, loaded or used."""


class DoseError(RmodError):
    """A DOSE model cannot be found, does not fit the request, or cannot take its input."""


class ForeignFileError(DoseError):
    """A readable file holds something other than a DOSE model."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known name, or an empty string."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{match[0]}'?)" if match else ""


def _flags_to_parameters(text: str) -> str:
    """Return a message in which ``--shard-size`` reads ``shard_size``, except inside an ``rmod`` command."""
    parts = _COMMAND.split(text)
    parts[::2] = [
        _FLAG.sub(lambda flag: _PARAMETERS.get(flag[1], flag[1].replace("-", "_")), part) for part in parts[::2]
    ]
    return "".join(parts)
