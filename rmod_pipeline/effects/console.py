"""The console engine: gain, equaliser, compressor and pan by pymixconsole, which the authors of RMOD used.

pymixconsole (Christian Steinmetz, MIT) is not on the package index, and a dependency by URL would break installations
without access to it. So users install it themselves. This engine works around its defects:

- The stereo compressor applies the gain of sample 0 to the whole left channel: we compress each channel separately.
- The compressor chooses attack or release by the first sample of a block, so its output depends on the block size, and
  it changes its input: it gets copies in blocks of ``BLOCK_FRAMES``, the default of the library.
- After ``randomize()`` a parameter ignores new values: we never call it, and no global random state is read.
- Parameters refuse values outside ranges that the library chose: we widen these, and the limits of the recipe apply.
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
"""Block size of the compressor."""


def require_console() -> None:
    """Raise UsageError with the install command if pymixconsole is not installed."""
    if find_spec(PACKAGE) is None:
        raise UsageError("--engine console", f"needs {PACKAGE}, which is not installed", INSTALL)


def console_version() -> str:
    """Return the installed version with its commit, if known, because the version number never changes."""
    try:
        installed = distribution(PACKAGE)
    except PackageNotFoundError:
        return "missing"
    origin = loads(installed.read_text("direct_url.json") or "{}")
    return " ".join(filter(None, (installed.version, origin.get("vcs_info", {}).get("commit_id"))))


def set_value(processor: Any, name: str, value: float | str) -> None:
    """Set a parameter of a processor, and widen the parameter's limits if necessary."""
    parameter = getattr(processor.parameters, name)
    if isinstance(value, str):
        parameter.options = [value]
    else:
        parameter.min, parameter.max = min(parameter.min, value), max(parameter.max, value)
    parameter.value = value


def amplify(audio: Audio, gain_db: float) -> Audio:
    """Return the audio [channels, frames] multiplied by a gain."""
    from pymixconsole.processors import Gain

    processor = Gain()
    set_value(processor, "gain", gain_db)
    return np.asarray(processor.process(audio), dtype=np.float32)
