"""The console engine: gain, EQ, compressor and pan by pymixconsole, as the authors of RMOD used it.

pymixconsole (Christian Steinmetz, MIT) is not on the package index, and an address among our dependencies would break
installs that cannot reach it: it is an extra step of the user's own. Its defects are kept out:

- a stereo compressor applies the gain of sample 0 to all of the left channel: every channel is compressed alone;
- the compressor looks at the first sample of a block to choose attack or release, so its output depends on the block
  size, and it changes its input: it gets copies, in blocks of ``BLOCK_FRAMES``, the library's own default;
- after ``randomize()`` parameters no longer take: it is never called, and no global random state is read;
- parameters refuse values outside ranges of the library's choosing: the limits of the recipe hold instead.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from json import loads
from typing import Any

import numpy as np

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import UsageError

CONSOLE = "console"

PACKAGE = "pymixconsole"
INSTALL = "pip install git+https://github.com/csteinmetz1/pymixconsole"

BLOCK_FRAMES = 512


def require_console() -> None:
    """Raise UsageError with the command that installs pymixconsole unless it is there."""
    if find_spec(PACKAGE) is None:
        raise UsageError("--engine console", f"needs {PACKAGE}, which is not installed", INSTALL)


def console_version() -> str:
    """Return what is installed, with the commit if it is known: the package's version number never rises."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        return "missing"
    origin = loads(found.read_text("direct_url.json") or "{}")
    return " ".join(filter(None, (found.version, origin.get("vcs_info", {}).get("commit_id"))))


def set_value(processor: Any, name: str, value: float | str) -> None:
    """Set a parameter, its own limits moved out of the way."""
    parameter = getattr(processor.parameters, name)
    if isinstance(value, str):
        parameter.options = [value]
    else:
        parameter.min, parameter.max = min(parameter.min, value), max(parameter.max, value)
    parameter.value = value


def amplify(audio: Audio, gain_db: float) -> Audio:
    """Return the audio [channels, frames] times a gain."""
    from pymixconsole.processors import Gain

    processor = Gain()
    set_value(processor, "gain", gain_db)
    return np.asarray(processor.process(audio), dtype=np.float32)
