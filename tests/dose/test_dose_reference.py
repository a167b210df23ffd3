"""Published checkpoints: a small one with their names is imported, and compared with their arithmetic in plain code."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint, write_checkpoint
from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.generation import generate
from rmod_pipeline.dose.layout import delay_condition
from rmod_pipeline.dose.reference import import_reference
from rmod_pipeline.errors import CodecError, DoseError
from tests.codec.test_model_files import Malice

WIDTH, HEADS, LAYERS, INSIDE, BOOKS, VOCABULARY = 32, 4, 2, 48, 9, 1025
FRAMES = 345


def make_published_state(seed: int = 0) -> dict[str, Any]:
    """Return a state dict with the published names, unused entries included."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Any:
        return torch.randn(shape, generator=generator) / math.sqrt(shape[-1])

    state = {f"audio_embedding_layer.{k}.weight": 4 * draw(VOCABULARY, WIDTH) for k in range(BOOKS)}
    linears = {"fc": (BOOKS * VOCABULARY, WIDTH)}
    norms = ["ln"]
    for block in range(LAYERS):
        inside = dict.fromkeys(("attn.key", "attn.value", "attn.query", "attn.proj"), (WIDTH, WIDTH))
        inside |= {"ff.0": (INSIDE, WIDTH), "ff.2": (WIDTH, INSIDE)}
        linears |= {f"blocks.{block}.{name}": shape for name, shape in inside.items()}
        norms += [f"blocks.{block}.ln1", f"blocks.{block}.ln2"]
        state[f"blocks.{block}.attn.mask"] = torch.full((1, 1, 500, 500), -math.inf).triu(1)
    for name, shape in linears.items():
        state |= {f"{name}.weight": 2 * draw(*shape), f"{name}.bias": draw(shape[0])}
    for name in norms:
        state |= {f"{name}.weight": 1 + draw(WIDTH), f"{name}.bias": draw(WIDTH)}
    state |= {"positional_encoder.pe": draw(1, 500, WIDTH), "midi_embedding_layer.weight": draw(1000, WIDTH)}
    state |= {"dac_projection_layer.weight": draw(WIDTH, 72), "dac_projection_layer.bias": draw(WIDTH)}
    return {f"inst_decoder.{name}": value for name, value in state.items()}


def save_checkpoint(path: Path, state: dict[str, Any], **others: Any) -> Path:
    lightning = {"epoch": 3, "global_step": 1234, "pytorch-lightning_version": "2.0.0", "callbacks": {}}
    torch.save({**lightning, "state_dict": state, **others}, path)
    return path


def compute_published_logits(state: dict[str, Any], rows: Any) -> Any:
    """Return the published model's logits after each row: [rows, codebooks, vocabulary] for rows [rows, codebooks]."""
    weights = {name.removeprefix("inst_decoder."): value.double() for name, value in state.items()}

    def linear(name: str, x: Any) -> Any:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: Any) -> Any:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def attention(name: str, x: Any) -> Any:
        query, key, value = (linear(f"{name}.{part}", x) for part in ("query", "key", "value"))
        out, size = torch.zeros_like(x), WIDTH // HEADS
        for head in range(HEADS):
            mine = slice(head * size, (head + 1) * size)
            scores = query[:, mine] @ key[:, mine].T / math.sqrt(size)
            later = torch.triu(torch.ones(len(x), len(x), dtype=torch.bool), diagonal=1)
            out[:, mine] = scores.masked_fill(later, -math.inf).softmax(-1) @ value[:, mine]
        return linear(f"{name}.proj", out)

    def feed_forward(name: str, x: Any) -> Any:
        inside = linear(f"{name}.0", x)
        return linear(f"{name}.2", 0.5 * inside * (1 + torch.erf(inside / math.sqrt(2))))

    tables = [weights[f"audio_embedding_layer.{k}.weight"] for k in range(BOOKS)]
    x = tables[0][rows[:, 0]]
    for k in range(BOOKS):
        x = x + tables[k][rows[:, k]]  # adds codebook 0 a second time; no positions
    for block in range(LAYERS):
        x = x + attention(f"blocks.{block}.attn", norm(f"blocks.{block}.ln1", x))
        x = x + feed_forward(f"blocks.{block}.ff", norm(f"blocks.{block}.ln2", x))
    return linear("fc", norm("ln", x)).reshape(len(rows), BOOKS, VOCABULARY)


@pytest.fixture(scope="module")
def kick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("published") / "kick.ckpt", make_published_state())


def make_mixture(seed: int = 0) -> Any:
    return torch.randint(1024, (1, BOOKS, FRAMES), generator=torch.Generator().manual_seed(seed))


def test_an_imported_model_has_the_published_logits(kick: Path) -> None:
    model = load_dose_model(import_reference(kick, heads=HEADS))
    rows = delay_condition(make_mixture())
    expected = compute_published_logits(make_published_state(), rows[0])
    logits = model.compute_logits(model.compute_hidden(model.embed_tokens(rows)))[0].double()
    assert float(expected.std()) > 0.5
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_an_imported_model_generates_the_published_codes(kick: Path) -> None:
    """Greedy, for 3 frames; the zeros around the codes are those of the layout."""
    made = generate(load_dose_model(import_reference(kick, heads=HEADS)), Condition(tokens=make_mixture()), 3)
    rows, state = delay_condition(make_mixture())[0], make_published_state()
    rows = torch.cat([rows, torch.zeros(1, BOOKS, dtype=torch.int64)])
    for row in range(1, 3 + BOOKS):
        likeliest = 1 + compute_published_logits(state, rows)[-1, :, 1:].argmax(-1)
        coded = torch.tensor([0 <= row - 1 - k < 3 for k in range(BOOKS)])
        rows = torch.cat([rows, (likeliest * coded)[None]])
    expected = [[int(rows[FRAMES + BOOKS - 1 + 1 + t + k, k]) - 1 for t in range(3)] for k in range(BOOKS)]
    assert made.codes[0, 0].tolist() == expected


def test_an_import_describes_itself(kick: Path) -> None:
    imported = import_reference(kick, heads=HEADS)
    size = imported.recipe.model
    assert (size.layers, size.width, size.feed_forward) == (LAYERS, WIDTH, INSIDE)
    assert (size.codebooks, size.codebook_size, size.condition_frames) == (9, 1024, 345)
    assert size.reference_compatible
    assert imported.instruments == ("kick",)
    assert imported.progress == {"step": 1234}
    dac = CodecIdentity(
        name="dac-44khz-a88eed82",
        version="0.0.1",
        sha256="a8" * 32,
        sample_rate=44_100,
        hop=512,
        codebooks=9,
        codebook_size=1024,
    )
    imported.require_codec(dac)


def test_a_codec_of_another_shape_is_refused(kick: Path) -> None:
    other = CodecIdentity(
        name="x-1", version="", sha256="00", sample_rate=24_000, hop=320, codebooks=9, codebook_size=1024
    )
    with pytest.raises(CodecError, match="sample rate"):
        import_reference(kick, heads=HEADS).require_codec(other)


def test_another_codec_of_the_same_shape_is_refused(kick: Path, tmp_path: Path) -> None:
    """`mini` has DAC's shape, and no published checkpoint tells which weights its codec had."""
    mini = CodecIdentity(
        name="mini-1a2b3c4d", version="", sha256="00", sample_rate=44_100, hop=512, codebooks=9, codebook_size=1024
    )
    read = read_dose_checkpoint(write_checkpoint(import_reference(kick, heads=HEADS), tmp_path))
    with pytest.raises(CodecError, match=r"uses tokens of dac-44khz, but the codec is mini-1a2b3c4d\n.*dac-44khz"):
        read.require_codec(mini)
    read.require_codec(replace(mini, name="dac-44khz-0123abcd"))


@pytest.mark.parametrize("name", ["snare.ckpt", "Snare-epoch=3.ckpt", "hi-hat.ckpt"])
def test_the_file_name_tells_the_instrument(kick: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(kick)
    instrument = "hihat" if "hat" in name else "snare"
    imported = import_reference(tmp_path / name, heads=HEADS)
    assert imported.instruments == (instrument,)
    assert imported.recipe.frames(instrument) == {"snare": 90, "hihat": 40}[instrument]


def test_an_unclear_file_name_needs_an_instrument(kick: Path, tmp_path: Path) -> None:
    for name in ("last.ckpt", "kick_and_snare.ckpt"):
        (tmp_path / name).symlink_to(kick)
        with pytest.raises(DoseError, match="--instrument with one of kick, snare, hihat"):
            import_reference(tmp_path / name, heads=HEADS)
        assert import_reference(tmp_path / name, "snare", HEADS).instruments == ("snare",)
    with pytest.raises(DoseError, match="choose kick, snare, hihat"):
        import_reference(kick, "tuba", HEADS)


def test_plain_hyper_parameters_are_ignored(tmp_path: Path) -> None:
    path = save_checkpoint(
        tmp_path / "kick.ckpt", make_published_state(), hyper_parameters={"lr": 1e-4, "mode": "train"}
    )
    assert import_reference(path, heads=HEADS).instruments == ("kick",)


def test_objects_beside_the_weights_are_refused_with_a_hint(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "kick.ckpt", make_published_state(), hyper_parameters=argparse.Namespace(lr=1e-4))
    with pytest.raises(DoseError) as error:
        import_reference(path, heads=HEADS)
    assert "(argparse.Namespace)" in error.value.found
    assert "refused" in error.value.found
    assert "write its weights" in error.value.hint
    # The file that the hint describes is read.
    weights = torch.load(path, weights_only=False)["state_dict"]
    torch.save({"state_dict": weights}, path)
    assert import_reference(path, heads=HEADS).progress == {}


def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "kick.ckpt", make_published_state(), hyper_parameters=Malice(tmp_path / "it ran"))
    with pytest.raises(DoseError, match="refused"):
        import_reference(path, heads=HEADS)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("drop", "put", "message"),
    [
        ("blocks.1.ln2.bias", {}, "blocks.1.ln2.bias is missing"),
        ("fc.weight", {}, "fc.weight is missing"),
        ("fc.weight", {"fc.weight": (10, WIDTH)}, "fc.weight is 10 x 32, not 9225 x 32"),
        ("blocks.0.attn.query.weight", {"blocks.0.attn.query.weight": (WIDTH,)}, "query.weight is 32, not"),
        (
            "blocks.0.attn.query.weight",
            {"blocks.0.attn.query.weight": (WIDTH, 5)},
            "query.weight is 32 x 5, not",
        ),
        ("audio_embedding_layer.0.weight", {}, "audio_embedding_layer.0.weight is missing"),
        (
            "audio_embedding_layer.0.weight",
            {"audio_embedding_layer.0.weight": (1, WIDTH)},
            "codebook_size: ",
        ),
        ("positional_encoder.pe", {"blocks.0.attn.rotary": (3,)}, "blocks.0.attn.rotary: the published model has no"),
    ],
)
def test_an_error_names_what_differs_of_another_model(
    tmp_path: Path, drop: str, put: dict[str, tuple[int, ...]], message: str
) -> None:
    state = {name: value for name, value in make_published_state().items() if name != f"inst_decoder.{drop}"}
    state |= {f"inst_decoder.{name}": torch.zeros(shape) for name, shape in put.items()}
    with pytest.raises(DoseError, match=message):
        load_dose_model(import_reference(save_checkpoint(tmp_path / "kick.ckpt", state), heads=HEADS))


def test_a_head_without_bias_has_a_bias_of_zeros(tmp_path: Path) -> None:
    state = {name: value for name, value in make_published_state().items() if name != "inst_decoder.fc.bias"}
    imported = import_reference(save_checkpoint(tmp_path / "kick.ckpt", state), heads=HEADS)
    zeros = {**make_published_state(), "inst_decoder.fc.bias": torch.zeros(BOOKS * VOCABULARY)}
    expected = import_reference(save_checkpoint(tmp_path / "kick.ckpt", zeros), heads=HEADS)
    assert imported.state.keys() == expected.state.keys()
    assert all(torch.equal(value, expected.state[name]) for name, value in imported.state.items())
    load_dose_model(imported)


def test_an_error_describes_another_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "kick.ckpt"
    for content, message in (
        ([1], "no state_dict"),
        ({"model": {}}, "no state_dict"),
        ({"state_dict": {"weight": torch.zeros(2)}}, "no DOSE transformer"),
        ({"state_dict": [2]}, "other things than arrays"),
        ({"state_dict": {"inst_decoder.ln.weight": 2}}, "other things than arrays"),
    ):
        torch.save(content, path)
        with pytest.raises(DoseError, match=message):
            import_reference(path)
    with pytest.raises(DoseError, match="No such file"):
        import_reference(tmp_path / "snare.ckpt")


def test_heads_that_do_not_divide_the_width_are_refused(kick: Path) -> None:
    with pytest.raises(DoseError, match="--heads"):
        import_reference(kick, heads=5)


def test_the_command_writes_a_checkpoint(kick: Path, tmp_path: Path, rmod: Any) -> None:
    result = rmod("dose", "import", kick, "--out", tmp_path / "models", "--heads", HEADS)
    assert result.code == 0, result.err
    assert f"{tmp_path / 'models' / 'kick.pth'}: kick, 2 layers of width 32" in result.out
    read = read_dose_checkpoint(tmp_path / "models" / "kick.pth")
    assert read.recipe.model.reference_compatible
    load_dose_model(read)


def test_the_command_replaces_no_other_model(kick: Path, tmp_path: Path, rmod: Any) -> None:
    out = tmp_path / "models"
    out.mkdir()
    (out / "kick.pth").write_bytes(b"trained for a week")
    result = rmod("dose", "import", kick, "--out", out, "--heads", HEADS)
    assert result.code == 2
    assert f"{out / 'kick.pth'}: already exists and holds another model" in result.err
    assert "choose another --out" in result.err
    assert (out / "kick.pth").read_bytes() == b"trained for a week"
    (out / "kick.pth").unlink()
    for _ in range(2):  # replacing a file by an equal one is allowed
        assert rmod("dose", "import", kick, "--out", out, "--heads", HEADS).code == 0


def test_the_command_reports_errors(tmp_path: Path, rmod: Any) -> None:
    result = rmod("dose", "import", tmp_path / "kick.ckpt", "--out", tmp_path)
    assert result.code == 2
    assert "no weights here" in result.err
    assert "Traceback" not in result.err
    (tmp_path / "kick.ckpt").write_text("<html>")
    assert rmod("dose", "import", tmp_path / "kick.ckpt", "--out", tmp_path).code == 2
