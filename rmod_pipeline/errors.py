"""Define the errors that a user can correct, and suggest names that were probably meant.

The command line prints these errors without a traceback and exits with code 2: they concern a file, a recipe or an
option. Any other exception is a defect of rmod and keeps its traceback.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

_COMMAND = re.compile(
    r"(`rmod [^`\n]*`|`?rmod (?:library |patterns |recipe |codec |dose |kit |release )?[a-z]+(?: [^`;:,()\n]*)?`?)"
)
"""An ``rmod`` command in a message: its flags stay flags in Python too."""

_DATA_SET = re.compile(r"(?<=`rmod verify )OUT(?=`)")
"""The place of a data set in a hint that is written where the data set is not known."""

_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")

_PARAMETERS = {
    "format": "audio_format",
    "no-audio": "audio=False",
    "no-space-check": "check_space=False",
    "splits": "shares",
    "map": "drum_map",
    "creator": "creators",
    "keyword": "keywords",
    "allow-licence": "allow_licences",
    "json": "as_json",
}
"""Flags whose parameter has another name."""


class RmodError(Exception):
    """Report a mistake that a user can correct.

    ``about`` names the file, option or record concerned, ``found`` says what is wrong with it, ``hint`` what to do.
    """

    def __init__(self, about: object, found: str, hint: str = "") -> None:
        super().__init__(about, found, hint)
        self.about, self.found, self.hint = str(about), found, hint
        self._from_python = False
        self._parameters: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.in_python() if self._from_python else self.in_shell()

    def in_shell(self) -> str:
        """Return the message with the names of the command line: ``--shard-size``."""
        remedy = f"\n  -> {self.hint}" if self.hint else ""
        return f"{self.about}: {self.found}{remedy}"

    def in_python(self) -> str:
        """Return the message with the names of the Python API: ``shard_size``."""
        return _flags_to_parameters(self.in_shell(), self._parameters)

    def name_data_set(self, out: object) -> None:
        """Put the folder or address of a data set in the place of OUT in the commands of the hint."""
        self.hint = _DATA_SET.sub(lambda _: quote(out), self.hint)

    def speak_python(self, parameters: Iterable[str] = ()) -> None:
        """Use the names of the Python API in ``str(error)`` from here on; ``parameters``: those of the function."""
        self._from_python = True
        self._parameters = frozenset(parameters)


class AssetError(RmodError):
    """A source file cannot be used."""


class ManifestError(RmodError):
    """A library manifest or a labels file is malformed."""


class LibraryError(RmodError):
    """A library as a whole does not fit its use."""


class RecipeError(RmodError):
    """A recipe asks for something that cannot be built."""


class BuildError(RmodError):
    """A build cannot start, continue or finish."""


class ShardError(RmodError):
    """A finished data set does not match its receipts."""


class UnfinishedError(ShardError):
    """Some shards of a split are not made yet."""


class UsageError(RmodError):
    """An option of a command has an invalid value."""


class CodecError(RmodError):
    """A codec cannot be found, loaded or used."""


class ModelError(RmodError):
    """A model cannot be found or trained, does not fit the request, or cannot take its input."""


DoseError = ModelError
"""The name of this error where the model is DOSE."""


class ForeignFileError(ModelError):
    """A readable file holds something other than the model asked for."""


MAX_SEED = 2**63 - 1
"""The largest seed, so that a seed fits into a signed 64-bit integer everywhere."""


def check_seed(seed: object) -> int:
    """Return a seed, a whole number from 0 to ``MAX_SEED``; 0 is a seed like any other. Raises UsageError."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        raise UsageError("--seed", f"{seed!r} is not a seed", f"give a whole number from 0 to {MAX_SEED}")
    return seed


@contextmanager
def naming_data_set(out: object) -> Iterator[None]:
    """Have the errors of rmod that are raised inside name this data set in the commands of their hints."""
    try:
        yield
    except RmodError as error:
        error.name_data_set(out)
        raise


def quote(word: object) -> str:
    """Return a path, an address or a name as a shell takes it, for a command in a message.

    ``./`` is put before a leading hyphen, so that a path is not taken for an option.
    """
    text = os.fspath(word) if isinstance(word, os.PathLike) else str(word)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known name, or an empty string."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{match[0]}'?)" if match else ""


def _flags_to_parameters(text: str, parameters: frozenset[str]) -> str:
    """Return a message in which ``--shard-size`` reads ``shard_size``, except inside an ``rmod`` command."""

    def name(flag: re.Match[str]) -> str:
        same = flag[1].replace("-", "_")
        return same if same in parameters else _PARAMETERS.get(flag[1], same)

    parts = _COMMAND.split(text)
    parts[::2] = [_FLAG.sub(name, part) for part in parts[::2]]
    return "".join(parts)
