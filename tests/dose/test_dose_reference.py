"""The published checkpoints: a small one of their naming, made here, against their arithmetic written out again."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint, write_checkpoint
from rmod_pipeline.dose.generation import generate
from rmod_pipeline.dose.layout import condition_of
from rmod_pipeline.dose.reference import import_reference
from rmod_pipeline.errors import CodecError, DoseError
from tests.dose.dose_examples import torch
from tests.dose.test_dose_checkpoint import Malice

WIDTH, HEADS, LAYERS, INSIDE, BOOKS, VOCABULARY = 32, 4, 2, 48, 9, 1025
FRAMES = 345


def published(seed: int = 0) -> dict[str, Any]:
    """Return a state dict named as the published ones are, with what stands in them unused."""
    generator = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Any:
        return torch.randn(shape, generator=generator) / math.sqrt(shape[-1])

    state = {f"audio_embedding_layer.{k}.weight": 4 * some(VOCABULARY, WIDTH) for k in range(BOOKS)}
    linears = {"fc": (BOOKS * VOCABULARY, WIDTH)}
    norms = ["ln"]
    for block in range(LAYERS):
        inside = dict.fromkeys(("attn.key", "attn.value", "attn.query", "attn.proj"), (WIDTH, WIDTH))
        inside |= {"ff.0": (INSIDE, WIDTH), "ff.2": (WIDTH, INSIDE)}
        linears |= {f"blocks.{block}.{name}": shape for name, shape in inside.items()}
        norms += [f"blocks.{block}.ln1", f"blocks.{block}.ln2"]
        state[f"blocks.{block}.attn.mask"] = torch.full((1, 1, 500, 500), -math.inf).triu(1)
    for name, shape in linears.items():
        state |= {f"{name}.weight": 2 * some(*shape), f"{name}.bias": some(shape[0])}
    for name in norms:
        state |= {f"{name}.weight": 1 + some(WIDTH), f"{name}.bias": some(WIDTH)}
    state |= {"positional_encoder.pe": some(1, 500, WIDTH), "midi_embedding_layer.weight": some(1000, WIDTH)}
    state |= {"dac_projection_layer.weight": some(WIDTH, 72), "dac_projection_layer.bias": some(WIDTH)}
    return {f"inst_decoder.{name}": value for name, value in state.items()}


def save(path: Path, state: dict[str, Any], **others: Any) -> Path:
    lightning = {"epoch": 3, "global_step": 1234, "pytorch-lightning_version": "2.0.0", "callbacks": {}}
    torch.save({**lightning, "state_dict": state, **others}, path)
    return path


def logits_written_out(state: dict[str, Any], rows: Any) -> Any:
    """Return what the published model says after each row: [rows, codebooks, vocabulary] of [rows, codebooks]."""
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
        x = x + tables[k][rows[:, k]]  # codebook 0 a second time; no positions
    for block in range(LAYERS):
        x = x + attention(f"blocks.{block}.attn", norm(f"blocks.{block}.ln1", x))
        x = x + feed_forward(f"blocks.{block}.ff", norm(f"blocks.{block}.ln2", x))
    return linear("fc", norm("ln", x)).reshape(len(rows), BOOKS, VOCABULARY)


@pytest.fixture(scope="module")
def kick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("published") / "kick.ckpt", published())


def some_mixture(seed: int = 0) -> Any:
    return torch.randint(1024, (1, BOOKS, FRAMES), generator=torch.Generator().manual_seed(seed))


def test_an_imported_model_says_what_the_published_one_says(kick: Path) -> None:
    model = load_dose_model(import_reference(kick, heads=HEADS))
    rows = condition_of(some_mixture())
    expected = logits_written_out(published(), rows[0])
    found = model.logits(model.hidden(rows))[0].double()
    assert float(expected.std()) > 0.5
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_an_imported_model_generates_what_the_published_one_generates(kick: Path) -> None:
    """Greedily and with a made-up end; the zeros around the codes are given, as the layout has them."""
    made = generate(load_dose_model(import_reference(kick, heads=HEADS)), some_mixture(), 3)
    rows, state = condition_of(some_mixture())[0], published()
    rows = torch.cat([rows, torch.zeros(1, BOOKS, dtype=torch.int64)])
    for row in range(1, 3 + BOOKS):
        likeliest = 1 + logits_written_out(state, rows)[-1, :, 1:].argmax(-1)
        coded = torch.tensor([0 <= row - 1 - k < 3 for k in range(BOOKS)])
        rows = torch.cat([rows, (likeliest * coded)[None]])
    expected = [[int(rows[FRAMES + BOOKS - 1 + 1 + t + k, k]) - 1 for t in range(3)] for k in range(BOOKS)]
    assert made.codes[0, 0].tolist() == expected


def test_an_import_says_what_it_is(kick: Path) -> None:
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


def test_tokens_of_another_shape_are_not_its_own(kick: Path) -> None:
    other = CodecIdentity(
        name="x-1", version="", sha256="00", sample_rate=24_000, hop=320, codebooks=9, codebook_size=1024
    )
    with pytest.raises(CodecError, match="sample rate"):
        import_reference(kick, heads=HEADS).require_codec(other)


def test_tokens_of_another_codec_of_the_same_shape_are_not_its_own(kick: Path, tmp_path: Path) -> None:
    """`mini` has DAC's shape, and no published checkpoint says which weights its codec had."""
    mini = CodecIdentity(
        name="mini-1a2b3c4d", version="", sha256="00", sample_rate=44_100, hop=512, codebooks=9, codebook_size=1024
    )
    read = read_dose_checkpoint(write_checkpoint(import_reference(kick, heads=HEADS), tmp_path))
    with pytest.raises(CodecError, match=r"speaks tokens of dac-44khz, the codec is mini-1a2b3c4d\n.*dac-44khz"):
        read.require_codec(mini)
    read.require_codec(replace(mini, name="dac-44khz-0123abcd"))


@pytest.mark.parametrize("name", ["snare.ckpt", "Snare-epoch=3.ckpt", "hi-hat.ckpt"])
def test_its_name_says_what_it_extracts(kick: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(kick)
    wanted = "hihat" if "hat" in name else "snare"
    imported = import_reference(tmp_path / name, heads=HEADS)
    assert imported.instruments == (wanted,)
    assert imported.recipe.frames(wanted) == {"snare": 90, "hihat": 40}[wanted]


def test_a_name_that_does_not_say_it_is_asked_for(kick: Path, tmp_path: Path) -> None:
    for name in ("last.ckpt", "kick_and_snare.ckpt"):
        (tmp_path / name).symlink_to(kick)
        with pytest.raises(DoseError, match=r"--instrument kick\|snare\|hihat"):
            import_reference(tmp_path / name, heads=HEADS)
        assert import_reference(tmp_path / name, "snare", HEADS).instruments == ("snare",)
    with pytest.raises(DoseError, match="choose kick, snare, hihat"):
        import_reference(kick, "tuba", HEADS)


def test_plain_hyper_parameters_are_no_hindrance(tmp_path: Path) -> None:
    path = save(tmp_path / "kick.ckpt", published(), hyper_parameters={"lr": 1e-4, "mode": "train"})
    assert import_reference(path, heads=HEADS).instruments == ("kick",)


def test_objects_beside_the_weights_are_refused_by_name_with_what_to_do(tmp_path: Path) -> None:
    path = save(tmp_path / "kick.ckpt", published(), hyper_parameters=argparse.Namespace(lr=1e-4))
    with pytest.raises(DoseError) as error:
        import_reference(path, heads=HEADS)
    assert "(argparse.Namespace)" in error.value.found
    assert "refused" in error.value.found
    assert "write its weights" in error.value.hint
    # What the hint says to write is read.
    weights = torch.load(path, weights_only=False)["state_dict"]
    torch.save({"state_dict": weights}, path)
    assert import_reference(path, heads=HEADS).progress == {}


def test_code_beside_the_weights_is_not_run(tmp_path: Path) -> None:
    path = save(tmp_path / "kick.ckpt", published(), hyper_parameters=Malice(tmp_path / "it ran"))
    with pytest.raises(DoseError, match="refused"):
        import_reference(path, heads=HEADS)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    ("drop", "put", "says"),
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
def test_another_model_is_named(tmp_path: Path, drop: str, put: dict[str, tuple[int, ...]], says: str) -> None:
    state = {name: value for name, value in published().items() if name != f"inst_decoder.{drop}"}
    state |= {f"inst_decoder.{name}": torch.zeros(shape) for name, shape in put.items()}
    with pytest.raises(DoseError, match=says):
        load_dose_model(import_reference(save(tmp_path / "kick.ckpt", state), heads=HEADS))


def test_a_head_without_bias_has_a_bias_of_zeros(tmp_path: Path) -> None:
    state = {name: value for name, value in published().items() if name != "inst_decoder.fc.bias"}
    imported = import_reference(save(tmp_path / "kick.ckpt", state), heads=HEADS)
    zeros = {**published(), "inst_decoder.fc.bias": torch.zeros(BOOKS * VOCABULARY)}
    expected = import_reference(save(tmp_path / "kick.ckpt", zeros), heads=HEADS)
    assert imported.state.keys() == expected.state.keys()
    assert all(torch.equal(value, expected.state[name]) for name, value in imported.state.items())
    load_dose_model(imported)


def test_what_is_no_published_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kick.ckpt"
    for content, says in (
        ([1], "no state_dict"),
        ({"model": {}}, "no state_dict"),
        ({"state_dict": {"weight": torch.zeros(2)}}, "no DOSE transformer"),
        ({"state_dict": [2]}, "other things than arrays"),
        ({"state_dict": {"inst_decoder.ln.weight": 2}}, "other things than arrays"),
    ):
        torch.save(content, path)
        with pytest.raises(DoseError, match=says):
            import_reference(path)
    with pytest.raises(DoseError, match="No such file"):
        import_reference(tmp_path / "snare.ckpt")


def test_heads_that_do_not_divide_the_width_are_asked_for(kick: Path) -> None:
    with pytest.raises(DoseError, match="--heads"):
        import_reference(kick, heads=5)


def test_the_command_writes_what_can_be_read(kick: Path, tmp_path: Path, rmod: Any) -> None:
    said = rmod("dose", "import", kick, "--out", tmp_path / "models", "--heads", HEADS)
    assert said.code == 0, said.err
    assert f"{tmp_path / 'models' / 'kick.pth'}: kick, 2 layers of width 32" in said.out
    read = read_dose_checkpoint(tmp_path / "models" / "kick.pth")
    assert read.recipe.model.reference_compatible
    load_dose_model(read)


def test_the_command_replaces_no_other_model(kick: Path, tmp_path: Path, rmod: Any) -> None:
    out = tmp_path / "models"
    out.mkdir()
    (out / "kick.pth").write_bytes(b"trained for a week")
    said = rmod("dose", "import", kick, "--out", out, "--heads", HEADS)
    assert said.code == 2
    assert f"{out / 'kick.pth'}: is there already, and another model" in said.err
    assert "choose another --out" in said.err
    assert (out / "kick.pth").read_bytes() == b"trained for a week"
    (out / "kick.pth").unlink()
    for _ in range(2):  # the same again is no loss
        assert rmod("dose", "import", kick, "--out", out, "--heads", HEADS).code == 0


def test_the_command_says_what_is_wrong(tmp_path: Path, rmod: Any) -> None:
    said = rmod("dose", "import", tmp_path / "kick.ckpt", "--out", tmp_path)
    assert said.code == 2
    assert "no weights here" in said.err
    assert "Traceback" not in said.err
    (tmp_path / "kick.ckpt").write_text("<html>")
    assert rmod("dose", "import", tmp_path / "kick.ckpt", "--out", tmp_path).code == 2
