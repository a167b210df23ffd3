"""Embeddings: shipped ones always work; weights of a user are checked, and never run as code."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rmod_pipeline.errors import CodecError, ModelError, UsageError
from rmod_pipeline.evaluation.embeddings import EMBEDDINGS, SHIPPED, Embedding, open_embedding
from rmod_pipeline.evaluation.embeddings import vggish as vggish_module
from rmod_pipeline.evaluation.embeddings.base import cut_patches
from rmod_pipeline.evaluation.embeddings.vggish import Vggish, compute_log_mel
from rmod_pipeline.evaluation.embeddings.yamnet import YamnetEmbedding

RATE = 44_100
YAMNET_FILE = "RMOD_YAMNET"


def make_sounds(count: int = 3, samples: int = 20_000) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).standard_normal((count, samples))
    decays = np.exp(-np.arange(samples) / RATE * np.linspace(5, 60, count)[:, None])
    return (0.5 * noise * decays).astype(np.float32)


def check_laws(embedding: Embedding) -> None:
    """Check what holds for every embedding."""
    sounds = make_sounds()
    vectors = embedding.embed(sounds, RATE)
    assert vectors.shape == (3, embedding.dimensions)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.ptp(vectors, axis=0).max() > 1e-3, "different sounds have different vectors"
    tolerance = 1e-3 * float(np.abs(vectors).max())
    np.testing.assert_allclose(embedding.embed(sounds[1:2] / np.float32(4), RATE), vectors[1:2], atol=tolerance)
    assert np.isfinite(embedding.embed(np.zeros((1, 900), np.float32), 22_050)).all()
    assert embedding.embed(np.zeros((0, 900), np.float32), RATE).shape == (0, embedding.dimensions)
    assert embedding.identity.startswith(f"{embedding.name}-")
    for wrong in (sounds[0], np.full((1, 900), np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"shape|NaN"):
            embedding.embed(wrong, RATE)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_embeddings_always_work(name: str) -> None:
    embedding = open_embedding(name)
    assert embedding.name == name
    assert embedding.dimensions == (128 if name == "classifier" else 64)
    assert embedding.identity == open_embedding(name.upper()).identity
    check_laws(embedding)


def test_only_whole_patches_count_and_short_sounds_are_padded() -> None:
    sounds = np.arange(20, dtype=np.float32)[None]
    assert cut_patches(sounds, 8, 5)[0].tolist() == [[*range(8)], [*range(5, 13)], [*range(10, 18)]]
    assert cut_patches(sounds[:, :3], 5, 5).tolist() == [[[0, 1, 2, 0, 0]]]


def test_an_unknown_name_and_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown 'VGGishh' \(did you mean 'VGGish'\?\)"):
        open_embedding("VGGishh")
    with pytest.raises(UsageError, match="--device"):
        open_embedding("ear", device="tpu")
    for name in set(EMBEDDINGS) - set(SHIPPED):
        with pytest.raises(ModelError, match=f"{name}: needs weights, which rmod does not ship"):
            open_embedding(name)
        with pytest.raises(ModelError, match="no weights here"):
            open_embedding(name, tmp_path / "none")
    for name in SHIPPED:
        with pytest.raises((ModelError, CodecError), match="none"):
            open_embedding(name, tmp_path / "none")
        with pytest.raises(ModelError, match="takes no sha256"):
            open_embedding(name, sha256="0" * 64)


def meta_arrays() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return Vggish().state_dict()


def test_vggish_has_the_public_names_and_shapes() -> None:
    arrays = meta_arrays()
    convolutions = [f"features.{layer}" for layer in (0, 3, 6, 8, 11, 13)]
    layers = (*convolutions, "embeddings.0", "embeddings.2", "embeddings.4")
    assert set(arrays) == {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    assert arrays["embeddings.0.weight"].shape == (4096, 512 * 4 * 6)
    assert arrays["embeddings.4.weight"].shape == (128, 4096)


@pytest.fixture
def vggish_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Random weights of a VGGish whose last layers are narrow: 25 MB, not 288."""
    monkeypatch.setattr(vggish_module, "HIDDEN", 32)
    generator, path = torch.Generator().manual_seed(0), tmp_path / "vggish.pth"
    torch.save(
        {name: 0.05 * torch.randn(value.shape, generator=generator) for name, value in meta_arrays().items()}, path
    )
    return path


def test_vggish_embeds_with_weights_of_a_user(vggish_file: Path) -> None:
    digest = hashlib.sha256(vggish_file.read_bytes()).hexdigest()
    embedding = open_embedding("VGGish", vggish_file, sha256=digest)
    assert embedding.identity == f"VGGish-{digest[:16]}"
    assert embedding.dimensions == 128
    check_laws(embedding)


def test_vggish_hears_log_mel_levels() -> None:
    """A sine is loudest in the band around it; silence is at the offset."""
    seconds = np.arange(vggish_module.PATCH) / vggish_module.VGGISH_RATE
    sine = np.sin(2 * np.pi * 1000 * seconds).astype(np.float32)
    levels = compute_log_mel(np.stack([sine, np.zeros_like(sine)]))
    assert levels.shape == (2, 96, 64)
    edges = np.linspace(1127 * np.log1p(125 / 700), 1127 * np.log1p(7500 / 700), 66)
    nearest = int(np.abs(edges[1:-1] - 1127 * np.log1p(1000 / 700)).argmin())
    assert set(levels[0].argmax(1)) == {nearest}
    np.testing.assert_allclose(levels[1], np.log(0.01), rtol=1e-6)


def test_files_that_are_not_vggish_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    small = {name: torch.zeros(1) for name in meta_arrays()}
    contents: list[tuple[Any, str]] = [
        ({"features.0.weight": Harmful()}, "would run code"),
        ([1, 2], "holds other things than arrays"),
        ({"features.0.weight": torch.zeros(64, 1, 3, 3)}, "no array embeddings.0.bias"),
        ({**small, "head.bias": torch.zeros(1)}, r"embeddings.0.bias is \[1\], VGGish has \[4096\]"),
        ({**small, "features.0.bias": torch.tensor([torch.nan])}, "NaN or infinite weights"),
    ]
    for content, message in contents:
        torch.save(content, path)
        with pytest.raises(ModelError, match=message):
            open_embedding("VGGish", path)
    with pytest.raises(ModelError, match=r"other weights: sha256 .*, expected 000000000000"):
        open_embedding("VGGish", path, sha256="0" * 64)
    path.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ModelError, match="broken"):
        open_embedding("VGGish", path)
    with pytest.raises(ModelError, match="no weights here"):
        open_embedding("VGGish", tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def yamnet() -> YamnetEmbedding:
    """YAMNet, where its file and the extra are there."""
    pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    name = os.environ.get(YAMNET_FILE)
    if not name:
        pytest.skip(f"{YAMNET_FILE} is not set")
    embedding = open_embedding("YAMNet", Path(name))
    assert isinstance(embedding, YamnetEmbedding)
    return embedding


def test_yamnet_embeds(yamnet: YamnetEmbedding) -> None:
    assert yamnet.dimensions == 1024
    check_laws(yamnet)


def test_the_vector_of_yamnet_is_what_its_scores_are_computed_from(yamnet: YamnetEmbedding) -> None:
    """The last layer, with the weights in the file, turns the vector into the scores."""
    vector = yamnet.embed(make_sounds(1, 15_600), 16_000)[0]
    tensors = {each["name"]: each for each in yamnet.interpreter.get_tensor_details()}
    weights = tensors["yamnet_frames/dense/MatMul"]
    scale = weights["quantization_parameters"]["scales"][0]
    matrix = yamnet.interpreter.get_tensor(weights["index"]).astype(np.float32) * scale
    bias = yamnet.interpreter.get_tensor(tensors["yamnet_frames/dense/BiasAdd/ReadVariableOp/resource"]["index"])
    scores = yamnet.interpreter.get_tensor(yamnet.interpreter.get_output_details()[0]["index"])[0]
    np.testing.assert_allclose(
        1 / (1 + np.exp(-(matrix @ vector + bias))), scores, atol=5e-3
    )  # LiteRT rounds the vector to bytes there


def test_another_file_in_place_of_yamnet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "yamnet.tflite"
    path.write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"other weights: sha256 .*, expected 469be6a3421c"):
        open_embedding("YAMNet", path)
    digest = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ModelError, match=r"not a LiteRT model|ai-edge-litert: not installed"):
        open_embedding("YAMNet", path, sha256=digest)


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLAP with random weights."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder: Path = tmp_path_factory.mktemp("clap")
    torch.manual_seed(0)
    config = transformers.ClapAudioConfig(
        depths=[1, 1, 1, 1],
        num_attention_heads=[2, 2, 2, 2],
        patch_embeds_hidden_size=16,
        hidden_size=128,
        projection_dim=32,
    )
    transformers.ClapAudioModelWithProjection(config).save_pretrained(str(folder))
    transformers.ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(str(folder))
    return folder


def test_clap_embeds_with_weights_of_a_user(clap_folder: Path) -> None:
    embedding = open_embedding("CLAP", clap_folder)
    assert embedding.dimensions == 32
    check_laws(embedding)
    np.testing.assert_allclose(np.linalg.norm(embedding.embed(make_sounds(), RATE), axis=1), 1, rtol=1e-5)


def test_a_clap_that_lacks_weights_is_refused(clap_folder: Path, tmp_path: Path) -> None:
    """Transformers would fill them with random numbers."""
    safetensors = pytest.importorskip("safetensors.torch", reason="transformers is not installed")
    for file in clap_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = safetensors.load_file(tmp_path / "model.safetensors")
    weights.pop("audio_projection.linear1.weight")
    safetensors.save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks the array audio_projection\.linear1\.weight"):
        open_embedding("CLAP", tmp_path)
    with pytest.raises(ModelError, match="other weights"):
        open_embedding("CLAP", tmp_path, sha256="0" * 64)
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="no CLAP"):
        open_embedding("CLAP", tmp_path)


def test_a_folder_of_another_model_is_no_clap(tmp_path: Path) -> None:
    for name in ("preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    for text, message in ((json.dumps({"model_type": "bert"}), "model_type is bert"), ("{", "not a configuration")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ModelError, match=message):
            open_embedding("CLAP", tmp_path)
