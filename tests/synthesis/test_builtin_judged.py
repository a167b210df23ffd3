"""The built-in kit, classified by a random forest that is trained on real one-shots only.

Set RMOD_REAL_LIBRARY to a folder with `library.csv` (columns path, kind, kit) and the files that it names:

    RMOD_REAL_LIBRARY=DIR pytest tests/synthesis/test_builtin_judged.py --log-cli-level=INFO
"""

from __future__ import annotations

import csv
import logging
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
class Features:
    """One-shots as input of a classifier: features [sounds, features], kinds and kits [sounds]."""

    features: np.ndarray
    kinds: np.ndarray
    kits: np.ndarray


@pytest.fixture(scope="module")
def real(real_library_folder: Path) -> Features:
    return load_features(real_library_folder / "library.csv")


@pytest.fixture(scope="module")
def builtin() -> Features:
    return load_features(ensure_builtin())


@pytest.mark.slow
def test_the_classifier_recognises_real_one_shots_of_unseen_kits(real: Features) -> None:
    guesses = cross_val_predict(make_classifier(), real.features, real.kinds, groups=real.kits, cv=GroupKFold(5))
    accuracy = float(np.mean(guesses == real.kinds))
    log.info("real: %d one-shots, %.1f %% correct across kits", len(real.kinds), 100 * accuracy)
    log.info("real, rows are the true kinds, columns %s:\n%s", CLASSES, table(real.kinds, guesses))
    assert accuracy > 0.9


@pytest.mark.slow
def test_the_classifier_recognises_the_built_in_kit(real: Features, builtin: Features) -> None:
    guesses = make_classifier().fit(real.features, real.kinds).predict(builtin.features)
    is_correct = guesses == builtin.kinds
    log.info("built-in: %d one-shots, %.1f %% correct", len(is_correct), 100 * float(np.mean(is_correct)))
    log.info("built-in, rows are the true kinds, columns %s:\n%s", CLASSES, table(builtin.kinds, guesses))
    wrong = ~is_correct
    for kind, kit, guess in sorted(zip(builtin.kinds[wrong], builtin.kits[wrong], guesses[wrong], strict=True)):
        log.info("wrong: a %s of %s is classified as %s", kind, kit, guess)
    assert float(np.mean(is_correct)) >= 0.9
    for kind in CLASSES:
        assert float(np.mean(is_correct[builtin.kinds == kind])) >= 0.9, kind


def make_classifier() -> RandomForestClassifier:
    return RandomForestClassifier(n_estimators=300, class_weight="balanced", random_state=0, n_jobs=1)


def table(truth: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    return np.asarray(confusion_matrix(truth, guesses, labels=CLASSES))


def load_features(listing: Path) -> Features:
    """Return the features of the one-shots in a CSV, whose paths are relative to it, without silent files."""
    with listing.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["kind"] in CLASSES]
    sounds = [load_one_shot(listing.parent / row["path"]) for row in rows]
    loaded = [(row, compute_features(sound)) for row, sound in zip(rows, sounds, strict=True) if len(sound)]
    return Features(
        np.stack([features for _, features in loaded]),
        np.array([row["kind"] for row, _ in loaded]),
        np.array([row["kit"] for row, _ in loaded]),
    )


def load_one_shot(path: Path) -> np.ndarray:
    """Return a file as mono [frames] at 44.1 kHz from its onset on, with peak 1; empty if it is silent."""
    sound, rate = soundfile.read(path, always_2d=True)
    mono = soxr.resample(sound.mean(axis=1), rate, SAMPLE_RATE)
    loudest = np.abs(mono).max(initial=0.0)
    if loudest < 1e-4:
        return np.zeros(0)
    return np.asarray(mono[int(np.argmax(np.abs(mono) > 0.02 * loudest)) :] / loudest)


def compute_features(sound: np.ndarray) -> np.ndarray:
    """Return features of one second: cepstra of attack and whole, octave bands, brightness and decay times."""
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
            log_decay_times(sound),
        ]
    )


def log_decay_times(sound: np.ndarray) -> Iterable[float]:
    """Return the logarithms of the times in seconds after which a sound stays 10, 20, 30 and 40 dB below its peak."""
    maximum_from_here = np.append(np.maximum.accumulate(np.abs(sound)[::-1])[::-1], 0.0)
    return [np.log(1e-3 + np.argmax(maximum_from_here < 10 ** (-db / 20)) / SAMPLE_RATE) for db in (10, 20, 30, 40)]
