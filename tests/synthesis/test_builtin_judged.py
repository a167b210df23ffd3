"""The built-in kit, judged by a classifier that has only ever heard real one-shots.

Set RMOD_REAL_LIBRARY to a folder with `library.csv` (columns path, kind, kit) and the files that it names:

    RMOD_REAL_LIBRARY=DIR pytest tests/library/test_builtin_judged.py --log-cli-level=INFO
"""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import soxr
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GroupKFold, cross_val_predict

from rmod_pipeline.library.builtin_kit import ensure_builtin

log = logging.getLogger(__name__)

CLASSES = ["kick", "snare", "hihat"]
SAMPLE_RATE = 44_100


@dataclass(frozen=True)
class Heard:
    """One-shots as a classifier sees them: features [sounds, features], kinds and kits [sounds]."""

    features: np.ndarray
    kinds: np.ndarray
    kits: np.ndarray


@pytest.fixture(scope="module")
def real() -> Heard:
    folder = os.environ.get("RMOD_REAL_LIBRARY")
    if not folder:
        pytest.skip("RMOD_REAL_LIBRARY is unset: no real one-shots to learn from")
    return hear(Path(folder) / "library.csv")


@pytest.fixture(scope="module")
def builtin() -> Heard:
    return hear(ensure_builtin())


@pytest.mark.slow
def test_the_judge_knows_real_one_shots_of_kits_it_has_not_heard(real: Heard) -> None:
    guesses = cross_val_predict(judge(), real.features, real.kinds, groups=real.kits, cv=GroupKFold(5))
    accuracy = float(np.mean(guesses == real.kinds))
    log.info("real: %d one-shots, %.1f %% named rightly across kits", len(real.kinds), 100 * accuracy)
    log.info("real, rows are the truth, columns %s:\n%s", CLASSES, table(real.kinds, guesses))
    assert accuracy > 0.9


@pytest.mark.slow
def test_the_judge_names_the_built_in_kit_rightly(real: Heard, builtin: Heard) -> None:
    guesses = judge().fit(real.features, real.kinds).predict(builtin.features)
    right = guesses == builtin.kinds
    log.info("built-in: %d one-shots, %.1f %% named rightly", len(right), 100 * float(np.mean(right)))
    log.info("built-in, rows are the truth, columns %s:\n%s", CLASSES, table(builtin.kinds, guesses))
    for kind, kit, guess in sorted(zip(builtin.kinds[~right], builtin.kits[~right], guesses[~right], strict=True)):
        log.info("taken for another: a %s of %s for a %s", kind, kit, guess)
    assert float(np.mean(right)) >= 0.9
    for kind in CLASSES:
        assert float(np.mean(right[builtin.kinds == kind])) >= 0.9, kind


def judge() -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=300, class_weight="balanced", random_state=0, n_jobs=1)


def table(truth: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    return confusion_matrix(truth, guesses, labels=CLASSES)


def hear(listing: Path) -> Heard:
    """Return the one-shots that a CSV lists, its paths relative to its folder; silent files are left out."""
    with listing.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["kind"] in CLASSES]
    heard = [(row, features_of(sound)) for row in rows if len(sound := one_shot(listing.parent / row["path"]))]
    return Heard(
        np.stack([features for _, features in heard]),
        np.array([row["kind"] for row, _ in heard]),
        np.array([row["kit"] for row, _ in heard]),
    )


def one_shot(path: Path) -> np.ndarray:
    """Return a file as mono at 44.1 kHz, from its onset on, peak 1: neither level nor leading silence is a clue."""
    sound, rate = soundfile.read(path, always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE)
    loudest = np.abs(mono).max(initial=0.0)
    if loudest < 1e-4:
        return mono[:0]
    return mono[int(np.argmax(np.abs(mono) > 0.02 * loudest)) :] / loudest


def features_of(sound: np.ndarray) -> np.ndarray:
    """Describe one second of a one-shot: cepstra of the attack and of all, bands, brightness, how fast it falls."""
    second = librosa.util.fix_length(sound, size=SAMPLE_RATE)
    spectrum = np.abs(librosa.stft(second, n_fft=1024, hop_length=256)) ** 2
    mel = librosa.feature.melspectrogram(S=spectrum, sr=SAMPLE_RATE, n_mels=40)
    cepstra = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=60), n_mfcc=14)[1:]
    loudness = mel.sum(axis=0) / mel.sum()
    octaves = mel.sum(axis=1).reshape(8, 5).sum(axis=1) / mel.sum()
    centroid = librosa.feature.spectral_centroid(S=np.sqrt(spectrum), sr=SAMPLE_RATE)[0]
    crossings = librosa.feature.zero_crossing_rate(second, frame_length=1024, hop_length=256)[0]
    return np.concatenate(
        [
            cepstra[:, :8].mean(axis=1),
            cepstra[:, :60].mean(axis=1),
            cepstra[:, :60].std(axis=1),
            10 * np.log10(octaves + 1e-9),
            [centroid @ loudness, crossings @ loudness, crossings[:4].mean()],
            falls(sound),
        ]
    )


def falls(sound: np.ndarray) -> Iterable[float]:
    """Return the log of the seconds after which a sound stays 10, 20, 30 and 40 dB below its peak."""
    still_to_come = np.append(np.maximum.accumulate(np.abs(sound)[::-1])[::-1], 0.0)
    return [np.log(1e-3 + np.argmax(still_to_come < 10 ** (-db / 20)) / SAMPLE_RATE) for db in (10, 20, 30, 40)]
