"""The documented limits of the sites. ``docs/guides/release.md`` has the same numbers, with the pages they are from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from rmod_pipeline.errors import UsageError
from rmod_pipeline.releases.formats import PlannedFile

LOOKED_UP = "2026-11-28"
"""The day on which these limits were looked up."""

KAGGLE_TITLE = (6, 50)
"""Fewest and most characters."""
KAGGLE_SUBTITLE = (20, 80)
KAGGLE_SLUG = (3, 50)
KAGGLE_BYTES = 200 * 10**9
"""Size of a data set."""
KAGGLE_TOP_LEVEL_FILES = 50
"""Files in the folder of a data set itself; a folder counts as one."""
KAGGLE_COVER_PIXELS = (560, 280)
"""Least width and height of the picture, and the part of a larger one that is shown."""

KAGGLE_LICENCES = {
    "AGPL-3.0-only": "AGPL-3.0",
    "Apache-2.0": "apache-2.0",
    "CC-BY-3.0": "CC-BY-3.0",
    "CC-BY-3.0-IGO": "CC-BY-3.0-IGO",
    "CC-BY-4.0": "CC-BY-4.0",
    "CC-BY-NC-4.0": "CC-BY-NC-4.0",
    "CC-BY-NC-ND-4.0": "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-3.0-IGO": "CC-BY-NC-SA-3.0-IGO",
    "CC-BY-NC-SA-4.0": "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0": "CC-BY-ND-4.0",
    "CC-BY-SA-3.0": "CC-BY-SA-3.0",
    "CC-BY-SA-4.0": "CC-BY-SA-4.0",
    "CC0-1.0": "CC0-1.0",
    "CDLA-Permissive-1.0": "CDLA-Permissive-1.0",
    "CDLA-Sharing-1.0": "CDLA-Sharing-1.0",
    "GFDL-1.3-only": "FDL-1.3",
    "GPL-2.0-only": "GPL-2.0",
    "GPL-3.0-only": "GPL-3.0",
    "LGPL-3.0-only": "LGPL-3.0",
    "ODC-By-1.0": "ODC-BY-1.0",
    "ODbL-1.0": "ODbL-1.0",
    "PDDL-1.0": "PDDL",
}
"""Kaggle's names of licences by SPDX identifier."""

KAGGLE_OTHER = "other"
"""Kaggle's name for a licence that the description specifies."""

KAGGLE_KEYWORDS = ("audio", "audio event classification", "computer science", "multimodal data", "pytorch")
"""Tags of Kaggle that fit. The site publishes no list of its tags, and ignores keywords that are none of them."""

HUB_FILES = 100_000
"""A repository has fewer."""
HUB_FOLDER_ENTRIES = 10_000
"""A folder has fewer."""
HUB_FILE_BYTES = 500 * 10**9
"""Size of a file; the site recommends less than 200 GB."""

HUB_LICENCES = {
    "AGPL-3.0-only": "agpl-3.0",
    "AGPL-3.0-or-later": "agpl-3.0",
    "Apache-2.0": "apache-2.0",
    "BSD-2-Clause": "bsd-2-clause",
    "BSD-3-Clause": "bsd-3-clause",
    "BSL-1.0": "bsl-1.0",
    "CC-BY-2.0": "cc-by-2.0",
    "CC-BY-2.5": "cc-by-2.5",
    "CC-BY-3.0": "cc-by-3.0",
    "CC-BY-4.0": "cc-by-4.0",
    "CC-BY-NC-2.0": "cc-by-nc-2.0",
    "CC-BY-NC-3.0": "cc-by-nc-3.0",
    "CC-BY-NC-4.0": "cc-by-nc-4.0",
    "CC-BY-NC-ND-3.0": "cc-by-nc-nd-3.0",
    "CC-BY-NC-ND-4.0": "cc-by-nc-nd-4.0",
    "CC-BY-NC-SA-2.0": "cc-by-nc-sa-2.0",
    "CC-BY-NC-SA-3.0": "cc-by-nc-sa-3.0",
    "CC-BY-NC-SA-4.0": "cc-by-nc-sa-4.0",
    "CC-BY-ND-4.0": "cc-by-nd-4.0",
    "CC-BY-SA-3.0": "cc-by-sa-3.0",
    "CC-BY-SA-4.0": "cc-by-sa-4.0",
    "CC0-1.0": "cc0-1.0",
    "CDLA-Permissive-1.0": "cdla-permissive-1.0",
    "CDLA-Permissive-2.0": "cdla-permissive-2.0",
    "CDLA-Sharing-1.0": "cdla-sharing-1.0",
    "GPL-2.0-only": "gpl-2.0",
    "GPL-2.0-or-later": "gpl-2.0",
    "GPL-3.0-only": "gpl-3.0",
    "GPL-3.0-or-later": "gpl-3.0",
    "ISC": "isc",
    "LGPL-2.1-only": "lgpl-2.1",
    "LGPL-2.1-or-later": "lgpl-2.1",
    "LGPL-3.0-only": "lgpl-3.0",
    "LGPL-3.0-or-later": "lgpl-3.0",
    "MIT": "mit",
    "MPL-2.0": "mpl-2.0",
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "OFL-1.1": "ofl-1.1",
    "PDDL-1.0": "pddl",
    "Unlicense": "unlicense",
    "WTFPL": "wtfpl",
    "Zlib": "zlib",
}
"""The hub's names of licences by SPDX identifier."""

HUB_OTHER = "other"


def check_site_length(option: str, text: str, limits: tuple[int, int], site: str) -> None:
    """Raise UsageError unless a text has as many characters as a site takes."""
    fewest, most = limits
    if not fewest <= len(text) <= most:
        found = f"{len(text)} characters: {text!r}; {site} takes {fewest} to {most}"
        raise UsageError(option, found, f"give one of {fewest} to {most} characters")


def count_entries(files: Iterable[PlannedFile]) -> Counter[str]:
    """Return the number of entries by folder; the folder of the release itself is ``.``."""
    paths = {path for file in files for path in (PurePosixPath(file.path), *PurePosixPath(file.path).parents)}
    return Counter(str(path.parent) for path in paths if str(path) != ".")
