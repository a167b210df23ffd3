"""The ear that ships: its file, and what it hears of kits that it was not trained on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.ear.checkpoint import SHIPPED_EAR, read_ear_checkpoint
from rmod_pipeline.extraction.listening.ear import OpenedEar, SongListener, open_ear
from rmod_pipeline.features import LogMel
from rmod_pipeline.synthesis.catalogue import list_sounds, make_sound
from rmod_pipeline.training.recipes import load_training_recipe

RATE = 44_100
HITS = {"kick": (0.3, 1.3, 2.3, 3.3), "snare": (0.8, 1.8, 2.8, 3.6), "hihat": tuple(np.arange(0.05, 3.9, 0.25))}
TEST_KITS = sorted({sound.kit for sound in list_sounds() if sound.kind == "kick" and sound.split == "test"})


@pytest.fixture(scope="module")
def ear() -> OpenedEar:
    return open_ear()


def make_pattern(kit: str) -> np.ndarray:
    """Return four seconds of a kit: [samples] float32."""
    song = np.zeros(4 * RATE + 3 * RATE, np.float32)
    for kind, seconds in HITS.items():
        sound = next(sound for sound in list_sounds() if (sound.kind, sound.kit) == (kind, kit))
        audio = 0.4 * make_sound(sound)[0].astype(np.float32)
        for second in seconds:
            start = round(second * RATE)
            song[start : start + audio.size] += audio
    return song[: 4 * RATE]


def test_opening_it_imports_no_compiler_and_draws_no_random_number() -> None:
    code = """if True:
        import sys, torch
        from rmod_pipeline.extraction.listening.ear import open_ear
        state = torch.get_rng_state()
        open_ear()
        print("torch._dynamo" in sys.modules, torch.equal(state, torch.get_rng_state()))
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_the_recipe_that_ships_made_the_ear_that_ships() -> None:
    checkpoint = read_ear_checkpoint(SHIPPED_EAR)
    assert checkpoint.recipe == load_training_recipe("ear")
    assert checkpoint.features == LogMel()
    assert SHIPPED_EAR.stat().st_size < 10_000_000
    card = (Path(SHIPPED_EAR).parent / "README.md").read_text(encoding="utf-8")
    assert f"{checkpoint.progress['step']:,} steps" in card


@pytest.mark.parametrize("kit", TEST_KITS)
@pytest.mark.parametrize("kind", HITS)
def test_the_ear_hears_hits_of_a_kit_that_it_never_met(ear: OpenedEar, kit: str, kind: str) -> None:
    listener = SongListener(ear)
    list(listener.listen([make_pattern(kit)]))
    found, true = listener.find_hits(kind).seconds, np.array(HITS[kind])
    matched = (np.abs(found[:, None] - true) <= 0.03).any(0).sum() if found.size else 0
    assert matched / true.size >= 0.75, (found, true)
    assert matched / max(found.size, 1) >= 0.6, (found, true)


@pytest.mark.parametrize("kit", TEST_KITS)
def test_a_song_that_is_cut_has_no_hit_at_its_end(ear: OpenedEar, kit: str) -> None:
    """A chord sounds on where the song ends: what is missing after it is no kick."""
    pattern = make_pattern(kit)[: round(3.97 * RATE)]
    seconds = np.arange(pattern.size) / RATE
    chord = sum(np.sin(2 * np.pi * hz * seconds) for hz in (220.0, 277.2, 329.6))
    listener = SongListener(ear)
    list(listener.listen([pattern + 0.1 * np.asarray(chord, np.float32)]))
    found = listener.find_hits("kick").seconds
    assert found.size >= 3
    assert found.max() < 3.9
