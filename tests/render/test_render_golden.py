"""The same spec is the same audio, from one version of rmod to the next."""

from __future__ import annotations

import json

import pytest

from rmod_pipeline.audio import processor_family
from rmod_pipeline.render import Sounds, render_pair
from rmod_pipeline.spec import PairSpec
from tests.render.write_render_golden import GOLDEN, digests, made_with


# If this fails, every data set that is built sounds different: raise OUTPUT_VERSION, say so in the change log, and
# write the digests anew.
def test_audio_never_drifts(sounds: Sounds) -> None:
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    now = made_with()
    others = {name: (found, now.get(name)) for name, found in kept["made_with"].items() if found != now.get(name)}
    if others:
        pytest.skip(f"made with other versions than these (kept, here): {others}")
    if processor_family() not in kept["sha256"]:
        pytest.skip(f"no digests of {processor_family()}, only of {', '.join(kept['sha256'])}")
    # The spec names the sounds by checksum, so the tiny library cannot drift unseen either.
    spec = PairSpec.from_json(json.dumps(kept["spec"]))
    assert digests(render_pair(spec, sounds)) == kept["sha256"][processor_family()]
