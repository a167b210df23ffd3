"""The same spec gives the same audio in every version of rmod."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rmod_pipeline.audio import processor_family
from rmod_pipeline.render import Sounds, render_pair
from rmod_pipeline.spec import PairSpec
from tests.render.write_render_golden import GOLDEN, digests, made_with, without_shifts


# If this fails, the audio of all data sets changes: raise OUTPUT_VERSION, note it in the change log, and write new
# digests.
def test_audio_never_drifts(sounds: Sounds) -> None:
    golden = read_golden()
    if processor_family() not in golden["sha256"]:
        pytest.skip(f"no digests for the processor family {processor_family()}, only for {', '.join(golden['sha256'])}")
    # The spec has the checksums of the sounds, so a change of the tiny library is detected too.
    spec = PairSpec.from_json(json.dumps(golden["spec"]))
    assert digests(render_pair(spec, sounds)) == golden["sha256"][processor_family()]


def test_audio_of_the_fused_engine_never_drifts_on_any_processor(sounds: Sounds) -> None:
    golden = read_golden()
    spec = without_shifts(PairSpec.from_json(json.dumps(golden["spec"])))
    assert digests(render_pair(spec, sounds)) == golden["fused"]


def read_golden() -> dict[str, Any]:
    """Return the digests. The test is skipped if they were made with other versions."""
    golden: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    current = made_with()
    differences = {
        name: (version, current.get(name))
        for name, version in golden["made_with"].items()
        if version != current.get(name)
    }
    if differences:
        pytest.skip(f"the digests were made with other versions (theirs, these): {differences}")
    return golden
