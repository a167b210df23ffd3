"""Composing and rendering pairs again reveals every change, even if index and receipt are forged to fit."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile

from rmod_pipeline.audio import SILENCE_DB
from rmod_pipeline.errors import UsageError
from rmod_pipeline.inspection import reproduction
from rmod_pipeline.inspection.reproduction import ReproductionCheck
from rmod_pipeline.inspection.rerender import _compare_levels, compare_checksums, compare_files
from rmod_pipeline.inspection.sounds import open_data_set_sounds, open_sounds
from rmod_pipeline.reading.pairs import read_pair
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.index import make_pair_row
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.spec import PairSpec
from tests.inspection.tampering import FIRST_KEY, edit_index, edit_tar, swap_files


def _edit_spec(content: dict[str, dict[str, bytes]], change: Callable[[dict[str, Any]], object]) -> None:
    description = json.loads(content[FIRST_KEY]["json"])
    change(description["spec"])
    content[FIRST_KEY]["json"] = json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode()


def _halve_velocity(spec: dict[str, Any]) -> None:
    spec["drums"][0]["notes"][0]["velocity"] //= 2


def _change_sample(content: dict[str, dict[str, bytes]]) -> None:
    audio, rate = soundfile.read(io.BytesIO(content[FIRST_KEY]["mix.wav"]), dtype="int16")
    audio[100, 0] ^= 1
    stream = io.BytesIO()
    soundfile.write(stream, audio, rate, format="WAV", subtype="PCM_16")
    content[FIRST_KEY]["mix.wav"] = stream.getvalue()


FORGERIES: dict[str, tuple[Callable[[dict[str, dict[str, bytes]]], object], str]] = {
    "a hit half as hard in the JSON": (lambda content: _edit_spec(content, _halve_velocity), f"{FIRST_KEY}.mix.wav"),
    "an unknown effect in the JSON": (
        lambda content: _edit_spec(content, lambda spec: spec["master"].append({"effect": "echo"})),
        "cannot be reproduced",
    ),
    "an effect with an extreme value in the JSON": (
        lambda content: _edit_spec(content, lambda spec: spec["master"].append({"effect": "gain", "gain_db": 1e300})),
        FIRST_KEY,
    ),
    "one sample by one step": (_change_sample, f"{FIRST_KEY}.mix.wav"),
    "two mixtures exchanged": (swap_files("mix.wav"), f"{FIRST_KEY}.mix.wav"),
    "two MIDI files exchanged": (swap_files("mid"), f"{FIRST_KEY}.mid"),
    "two targets exchanged": (swap_files("kick.wav"), f"{FIRST_KEY}.kick.wav"),
}
"""Changes that no checksum reveals, because index and receipt are forged too; rendering again reveals them."""


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_consistent_forgery_is_found_by_rendering_again(forgery: str, out: Path, rmod: Callable[..., Any]) -> None:
    change, message = FORGERIES[forgery]
    edit_tar(out, change)
    assert rmod("verify", out, "--compare", 0).code == 0, "the forgery is not consistent"
    result = rmod("verify", out, "--compare", 0, "--rerender", 100)
    assert result.code == 1
    assert message in result.out
    assert "Traceback" not in result.err


def test_a_pair_of_another_recipe_or_seed_is_found(out: Path, tiny_manifest: Path, rmod: Callable[..., Any]) -> None:
    """The pair is consistent in itself, but is not the one of this index."""
    stored = read_pair(out, FIRST_KEY)
    changed = json.loads(stored.members["json"])["spec"]
    _halve_velocity(changed)
    sounds = open_sounds(tiny_manifest, 22_050)
    pair = render_pair(PairSpec.from_json(json.dumps(changed)), sounds)
    members = encode_members(pair, sounds.store.library, AudioStorage())
    edit_tar(out, lambda content: content.update({FIRST_KEY: members}))
    edit_index(out, lambda rows: rows.__setitem__(0, make_pair_row(pair, members, sounds.store.library)))
    assert not compare_files(read_pair(out, FIRST_KEY), sounds.store.library, sounds)
    result = rmod("verify", out, "--compare", 0, "--rerender", 100)
    assert result.code == 1
    assert f"{FIRST_KEY}.json: its spec is not that of recipe, library and seed" in result.out


def test_on_another_processor_audio_may_differ_by_a_bound(
    out: Path, rmod: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bits of audio may differ there, but not a licence or a MIDI file."""
    log = out / "log" / "library.json"
    log.write_text(log.read_text().replace('"processor": "', '"processor": "m68k AmigaOS and '))
    edit_tar(out, _change_sample)
    assert "the same to within -60 dB" in rmod("verify", out, "--compare", 0, "--rerender", 100).out
    assert rmod("verify", out, "--compare", 0, "--rerender", 100).code == 0
    edit_tar(out, swap_files("mid"))
    assert rmod("verify", out, "--compare", 0, "--rerender", 100).code == 1


def test_only_the_levels_in_a_json_may_differ_on_another_processor(tiny_built: Path, tiny_manifest: Path) -> None:
    sounds = open_sounds(tiny_manifest, 22_050)
    stored = read_pair(tiny_built, FIRST_KEY)
    for part, within in (("measured", True), ("sources", False)):
        description = json.loads(stored.members["json"])
        description[part] = {} if part == "measured" else []
        changed = replace(stored, members={**stored.members, "json": json.dumps(description).encode()})
        assert [difference.within_bound for difference in compare_files(changed, sounds.store.library, sounds)] == [
            within
        ]


def test_a_pair_of_output_version_1_without_a_level_is_reproduced(tiny_built: Path, tiny_manifest: Path) -> None:
    """Version 1 has no ``mono_peak_dbfs``, and measured ``audible_db`` in stereo."""
    sounds = open_sounds(tiny_manifest, 22_050)
    stored = read_pair(tiny_built, FIRST_KEY)
    description = json.loads(stored.members["json"])
    for levels in (description["measured"]["mix"], *description["measured"]["targets"].values()):
        del levels["mono_peak_dbfs"]
    for track in description["measured"]["tracks"].values():
        track["audible_db"] = track["audible_db"] and track["audible_db"] - 0.5
    old = replace(stored, members={**stored.members, "json": json.dumps(description).encode()})
    checksums = [{"name": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in old.members.items()]
    library = sounds.store.library
    for differences in (compare_files(old, library, sounds), compare_checksums(old, checksums, library, sounds)):
        assert [(difference.name, difference.within_bound) for difference in differences] == [
            (f"{FIRST_KEY}.json", True)
        ]


def test_a_pair_of_another_output_version_is_not_composed_again(
    tiny_built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, spec = ReproductionCheck(tiny_built), read_pair(tiny_built, FIRST_KEY).spec()
    other = replace(spec, drums=spec.drums[:1])
    assert check._is_composed_equally(spec) and not check._is_composed_equally(other)
    monkeypatch.setattr(reproduction, "OUTPUT_VERSION", 999)
    assert check._is_composed_equally(other)


def test_files_that_cannot_be_compared_have_no_level() -> None:
    def wav(frames: int) -> bytes:
        stream = io.BytesIO()
        soundfile.write(stream, [0.5] * frames, 22_050, format="WAV", subtype="PCM_16")
        return stream.getvalue()

    assert _compare_levels(wav(9), wav(9), "mix.wav") == SILENCE_DB
    for stored in (None, b"damaged", wav(8)):
        assert _compare_levels(stored, wav(9), "mix.wav") is None


def test_a_data_set_without_a_record_of_its_library_asks_for_it(out: Path) -> None:
    (out / "log" / "library.json").unlink()
    with pytest.raises(UsageError, match="has no record of its library"):
        open_data_set_sounds(out)
