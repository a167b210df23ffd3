"""Define what a release is asked to be, and what the format of a site adds to it.

The core of a release writes what all formats share. Its folder holds ``build.json``, ``index/``, ``receipts/``,
``audio/`` and ``tokens/`` as the data set does, so ``rmod.open_dataset`` opens it. Beside them are ``ATTRIBUTION.csv``,
``CITATION.cff``, ``CHANGELOG.md``, ``LICENSES/``, ``REBUILD.md`` and ``release.json``. A format adds the files of its
site. ``SHA256SUMS`` and its signature are written last, over everything.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rmod_pipeline.storage import Location

if TYPE_CHECKING:
    from rmod_pipeline.releases.facts import ReleaseFacts
    from rmod_pipeline.releases.licensing import Licensing


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """One data file that a release will hold: a tar, a file of the index, a receipt, or a loose sound."""

    path: str
    """Relative to the folder of the release, POSIX."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """What the user asks a release to be, with every default filled in."""

    out: Location
    """The data set."""
    to: Path
    """The folder that the release becomes. It does not exist yet."""
    format: str
    """The name of the format: plain, kaggle, huggingface."""
    name: str
    """The name in addresses: lower-case letters, digits and hyphens."""
    title: str
    """One line."""
    subtitle: str
    """One line; empty if the user gave none."""
    version: str
    """Such as ``1.0.0+3f2a91bc``: the version that the user gave or 1.0.0, and eight digits of the fingerprint."""
    owner: str
    """The user or organisation on the site; empty if the user gave none."""
    creators: tuple[str, ...]
    """The people or groups to cite."""
    keywords: tuple[str, ...]
    """The words to find it by, as the user gave them."""
    loose: bool
    """Whether the members of the tars lie as single files in ``audio/SHARD/``, for sites that unpack nothing."""
    key: Path | None
    """The private key to sign the checksums with."""
    template: Path | None
    """The user's own template of the data card."""
    licensing: Licensing
    """The sounds that the released pairs use, and the licence of the whole."""
    pairs: frozenset[str] | None
    """The keys of the released pairs; None for all of the data set."""
    files: tuple[PlannedFile, ...]
    """The data files, without those that describe them. Sorted by path."""
    date: str = ""
    """The day of publication, YYYY-MM-DD; empty if the user gave none. No clock is read: same input, same bytes."""


class ReleaseFormat(ABC):
    """The form in which a site takes a data set.

    ``check`` and ``write`` are called once each, in this order, for one release.
    """

    name: ClassVar[str]
    """What the user gives to ``--format``."""

    def check_texts(self, title: str, subtitle: str) -> None:  # noqa: B027
        """Raise UsageError for texts that the site refuses, before the data is read. An empty subtitle is not given."""

    @abstractmethod
    def check(self, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Raise UsageError for anything that the site refuses: a name, a title, a size. Writes nothing."""

    @abstractmethod
    def write(self, folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Write the files of the site into the folder, which holds what all formats share, the card and Croissant too.

        A format may change the card.
        """

    @abstractmethod
    def next_command(self, request: ReleaseRequest) -> str:
        """Return the site's own command that uploads ``request.to``, quoted for a shell; empty if there is none.

        It is printed and never run.
        """
