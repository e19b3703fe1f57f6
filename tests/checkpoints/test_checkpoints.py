"""Checkpoints: what is written comes back to the bit, foreign folders answer as their own code, the bad is refused."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from icl_bench import files, shipped
from icl_bench.assembly.identity import digests_of, model_digest
from icl_bench.assembly.plugins import build_model, load_model
from icl_bench.assembly.resolved import kept
from icl_bench.checkpoints.card import plain_arguments
from icl_bench.checkpoints.card_file import card_text, parse_card
from icl_bench.checkpoints.folder import read_checkpoint, write_checkpoint
from icl_bench.checkpoints.garg import read_garg
from icl_bench.checkpoints.mapping import Mapped, Network, read_mapped
from icl_bench.checkpoints.torch_file import load_torch_file
from icl_bench.checkpoints.weights import weights_digest
from icl_bench.errors import CheckpointError, OutputError, PluginError, SuiteError
from icl_bench.function_classes.linear import Linear
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.sizes import Sizes
from icl_bench.layers.architecture import Architecture
from icl_bench.models.networks.gpt2 import GPT2
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.protocols import LinearLearner
from icl_bench.prompts import PromptBatch
from icl_bench.run.suite_run import check_suite, run_suite
from icl_bench.seeding import Streams
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite import ModelSpec
from icl_bench.suites.suite_file import load_suite
from tests.command import ROOT
from tests.small_checkpoints import LAW, TINY, card_for, suite_file, written

GARG = ROOT / "tests" / "data" / "garg_checkpoint"


def architectures() -> list[str]:
    names = sorted(catalogue.entries("models"))
    classes = {name: loading.plugin_class("models", name) for name in names}
    return [name for name, cls in classes.items() if inspect.isclass(cls) and issubclass(cls, Architecture)]


def refusal(read: Callable[[], object]) -> str:
    """What a read is refused with."""
    with pytest.raises(CheckpointError) as refused:
        read()
    assert refused.value.exit_code == 2
    return str(refused.value)


@pytest.mark.parametrize("name", architectures())
def test_every_architecture_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    architecture = loading.build("models", name, {})
    learner = architecture.initial(3)
    with torch.no_grad():  # not what building would give by itself
        for parameter in learner.parameters():
            parameter += 0.01
    card = write_checkpoint(tmp_path / "own", learner, card_for(name, plain_arguments(architecture)))
    state = torch.random.get_rng_state()
    found = read_checkpoint(tmp_path / "own")
    assert torch.equal(state, torch.random.get_rng_state())
    assert found.card == card
    expected = learner.state_dict()
    assert found.learner.state_dict().keys() == expected.keys()
    assert all(torch.equal(value, expected[key]) for key, value in found.learner.state_dict().items())
    prompts = LAW.draw(Streams(1, 0)).prompts.select(slice(0, 3))
    assert torch.equal(found.learner.predict(prompts).mean, learner.eval().predict(prompts).mean)


def test_a_learner_in_float64_comes_back_in_float64(tmp_path: Path) -> None:
    architecture = GPT2(**TINY)
    learner = architecture.initial(3).double()
    card = write_checkpoint(tmp_path / "own", learner, card_for("gpt2", plain_arguments(architecture)))
    assert card.weights.dtype == "float64"
    assert read_checkpoint(tmp_path / "own").learner.dtype == torch.float64


def test_a_card_comes_back_as_it_was(tmp_path: Path) -> None:
    card = write_checkpoint(tmp_path, GPT2(**TINY).initial(3), card_for("gpt2", dict(TINY)))
    assert parse_card(card_text(card), "card") == card
    assert card.weights.n_parameters == sum(p.numel() for p in GPT2(**TINY).initial(3).parameters())


def test_every_problem_of_a_card_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "own") / "card.toml"
    text = path.read_text().replace("steps = 10\n", 'steps = "many"\n').replace("author =", "autor =")
    text = text.replace('date = "2025-01-31"', 'date = "yesterday"').replace("noise_std = 0.5\n", "")
    path.write_text(text)
    said = refusal(lambda: read_checkpoint(tmp_path / "own")).splitlines()
    lines = dict(enumerate(text.splitlines(), start=1))

    def told(what: str, line: str) -> bool:
        places = [number for number, content in lines.items() if content.startswith(line)]
        return any(what in problem and f"card.toml:{places[0]}:" in problem for problem in said)

    assert told("training.steps: expected a valid integer, got 'many'", 'steps = "many"')
    assert told("origin.autor: unknown key (did you mean 'author'?)", "autor =")
    assert told("origin.author: missing", "[origin]")
    assert told("origin.date", "date =")
    assert told("training.law.noise_std: missing", "[training.law]")
    assert len(said) == 5


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "install a newer icl-bench"),
        ("format = 1", "format = ", "not valid TOML"),
        ('name = "gpt2"', 'name = "gtp2"', "did you mean 'gpt2'"),
        ('name = "gpt2"', 'name = "ols"', "has no weights"),
        ('name = "gpt2"', 'name = "checkpoint"', "has no weights"),
        ('name = "gpt2"', 'name = "./net.py:Net"', "never runs"),
        ("width = 8", "widht = 8", "unknown argument 'widht' (did you mean 'width'?)"),
        ("width = 8", "width = 9", "n_heads: expected a divisor"),
        ('file = "weights.safetensors"', 'file = "../weights.safetensors"', "weights.file"),
        ("n_parameters = ", "n_parameters = 1", "as its network has"),
        ("width = 8", "width = 8000000", "wrong shapes"),  # 200 TB: refused before it is allocated
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path / "own") / "card.toml"
    (tmp_path / "own" / "net.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert said in refusal(lambda: read_checkpoint(tmp_path / "own"))
    assert not (tmp_path / "ran").exists()


def test_a_card_takes_plain_values_only(tmp_path: Path) -> None:
    learner = GPT2(**TINY).initial(3)
    for card in (card_for("gpt2", {"n_layers": None}), replace(card_for("gpt2", {}), losses={"loss": float("nan")})):
        refusal(lambda card=card: write_checkpoint(tmp_path / "own", learner, card))  # type: ignore[misc]
        assert not (tmp_path / "own").exists()


def changed(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    """Rewrite the weights of a folder after `change`."""
    tensors = load_file(folder / "weights.safetensors")
    change(tensors)
    save_file(tensors, folder / "weights.safetensors")
    return folder


READ_IN = "decoder.read_in.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop(READ_IN), f"missing tensors: {READ_IN} (float32 [8, 3])"),
        (lambda t: t.update(decoder_extra=torch.ones(1)), "unexpected tensors: decoder_extra"),
        (lambda t: t.update({READ_IN: torch.ones(8, 4)}), f"{READ_IN}: expected [8, 3], got [8, 4]"),
        (lambda t: t.update({READ_IN: torch.ones(8, 3).half()}), f"{READ_IN}: expected float32, got float16"),
        (lambda t: t[READ_IN].fill_(float("nan")), f"not finite numbers in {READ_IN}"),
        (lambda t: t[READ_IN].fill_(float("inf")), f"not finite numbers in {READ_IN}"),
        (lambda t: t[READ_IN].mul_(1.0000001), "the weights are not the ones the card describes"),
        (lambda t: t.clear(), "and 14 more"),
        (lambda t: t.update({READ_IN: torch.ones(8, 3, dtype=torch.float8_e4m3fn)}), "got F8_E4M3"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], said: str
) -> None:
    folder = changed(written(tmp_path / "own"), change)
    assert said in refusal(lambda: read_checkpoint(folder))


def safetensors_bytes(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _entry(start: int, end: int, *shape: int) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        safetensors_bytes({"a": _entry(0, 4 * 10**12, 10**12)}),  # 4 TB in a file of 80 bytes
        safetensors_bytes({"a": _entry(0, 8, 2), "b": _entry(0, 8, 2)}, b"\0" * 8),  # overlapping
        safetensors_bytes({"a": _entry(0, 8, 2)}, b"\0" * 16),  # bytes that belong to no tensor
        safetensors_bytes({"a": _entry(8, 0, 2)}, b"\0" * 8),
        safetensors_bytes({"a": _entry(0, 0, 2**33, 2**33)}),  # its size overflows
        safetensors_bytes({"a": {}}, length=10**12),
        safetensors_bytes(b"{nope"),
        safetensors_bytes(b"[" * 100_000),
    ],
)
def test_a_damaged_or_lying_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = written(tmp_path / "own")
    (folder / "weights.safetensors").write_bytes(content)
    assert "damaged or cut off" in refusal(lambda: read_checkpoint(folder))


def test_any_cut_of_the_weights_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "own")
    whole = (folder / "weights.safetensors").read_bytes()
    for size in range(0, len(whole), 97):
        (folder / "weights.safetensors").write_bytes(whole[:size])
        refusal(lambda: read_checkpoint(folder))


def test_folders_that_are_no_checkpoints_are_told_apart(tmp_path: Path) -> None:
    assert "no such folder" in refusal(lambda: read_checkpoint(tmp_path / "nothing"))
    assert "no card.toml" in refusal(lambda: read_checkpoint(tmp_path))
    (tmp_path / "file").write_text("")
    assert "got a file" in refusal(lambda: read_checkpoint(tmp_path / "file"))
    folder = written(tmp_path / "own")
    (folder / "weights.safetensors").unlink()
    assert "weights.safetensors: cannot be read" in refusal(lambda: read_checkpoint(folder))
    (folder / "card.toml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(lambda: read_checkpoint(folder))


def test_the_digest_is_of_names_shapes_types_and_values_in_any_order() -> None:
    tensors = {"a": torch.arange(6.0), "b": torch.ones(2, 2)}
    digest = weights_digest(tensors)
    assert weights_digest({"b": tensors["b"], "a": tensors["a"]}) == digest
    assert weights_digest({"b": tensors["b"].mT, "a": tensors["a"].clone()}) == digest
    for other in (
        {"c": tensors["a"], "b": tensors["b"]},
        {"a": tensors["a"].view(2, 3), "b": tensors["b"]},
        {"a": tensors["a"].view(torch.int32), "b": tensors["b"]},
        {"a": tensors["a"] + 0.0 * torch.tensor([-1.0, 1, 1, 1, 1, 1]) + torch.eye(6)[0], "b": tensors["b"]},
    ):
        assert weights_digest(other) != digest


def test_a_checkpoint_is_replaced_only_on_request_and_other_files_stay(tmp_path: Path) -> None:
    folder = written(tmp_path / "own")
    (folder / "training.parquet").write_text("kept")
    learner, card = GPT2(**TINY, seed=7).initial(3), card_for("gpt2", TINY)
    assert "replace=True" in refusal(lambda: write_checkpoint(folder, learner, card))
    for _ in range(2):
        digest = write_checkpoint(folder, learner, card, replace=True).weights.digest
        assert digest == weights_digest(learner.state_dict())
        read_checkpoint(folder)
        assert len(list(folder.iterdir())) == 3
    assert (folder / "training.parquet").read_text() == "kept"
    bad = GPT2(**TINY).initial(3)
    torch.nn.init.constant_(next(bad.parameters()), float("nan"))
    assert "not finite" in refusal(lambda: write_checkpoint(folder, bad, card, replace=True))
    assert read_checkpoint(folder).card is not None


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_crash_at_any_point_of_a_replacement_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, card = GPT2(**TINY, seed=7).initial(3), card_for("gpt2", TINY)
    seen = set()
    for fatal in range(1, 12):
        folder = written(tmp_path / f"own{fatal}")
        old = weights_digest(read_checkpoint(folder).learner.state_dict())
        calls = iter(range(1, 100))

        def deadly(real: Callable[..., Any], calls: Any = calls, fatal: int = fatal) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                if next(calls) == fatal:
                    raise Killed
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patched:
            patched.setattr(files.os, "fsync", deadly(os.fsync))
            patched.setattr(Path, "replace", deadly(Path.replace))
            patched.setattr(Path, "unlink", deadly(Path.unlink))
            with contextlib.suppress(Killed):
                write_checkpoint(folder, new, card, replace=True)
        found = weights_digest(read_checkpoint(folder).learner.state_dict())
        assert found in (old, weights_digest(new.state_dict()))
        seen.add(found)
        (folder / ".card.toml.1.tmp").write_text("left by a killed process")
        write_checkpoint(folder, new, card, replace=True)  # and what is left over is in nobody's way
        assert len(list(folder.iterdir())) == 2
        assert weights_digest(read_checkpoint(folder).learner.state_dict()) == weights_digest(new.state_dict())
    assert len(seen) == 2


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "own")
    before = read_checkpoint(folder).card

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            write_checkpoint(folder, GPT2(**TINY, seed=7).initial(3), card_for("gpt2", TINY), replace=True)
    assert read_checkpoint(folder).card == before
    assert sorted(path.name for path in folder.iterdir()) == ["card.toml", "weights.safetensors"]


# The public code of Garg et al.: tests/data/garg_checkpoint is a folder that its own training script wrote (4001 steps,
# with a vocabulary of 2 unused token embeddings instead of 50257), with what its own model answers.


def test_the_public_codes_folder_answers_as_its_own_code_does() -> None:
    stored = load_file(GARG / "predictions.safetensors")
    xs, ys = stored["xs"], stored["ys"]
    for query_x, answers, next_example in (
        (xs, stored["predictions"], True),
        (xs, stored["predictions"], False),
        (stored["test_xs"], stored["test_predictions"], False),
    ):
        prompts = PromptBatch(xs[:, :10], ys[:, :10], query_x, tuple(range(11)), next_example)
        model = load_model("checkpoint", path=str(GARG))
        assert float((model.predict(prompts).mean - answers).abs().max()) < 1e-5
    assert float(stored["predictions"].std()) > 1.0


def garg_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GARG, tmp_path / "garg"))


def test_other_files_that_the_public_code_leaves_are_read_too(tmp_path: Path) -> None:
    folder = garg_copy(tmp_path)
    state = torch.load(folder / "state.pt", weights_only=True)["model_state_dict"]
    expected = read_garg(folder).learner.state_dict()
    old = {
        "_backbone.h.0.attn.bias": torch.ones(1, 1, 22, 22).tril().bool(),
        "_backbone.h.1.attn.masked_bias": torch.tensor(-1e4),
    }
    torch.save({**state, **old}, folder / "model_4000.pt")
    torch.save({name: torch.zeros_like(tensor) for name, tensor in state.items()}, folder / "model_10.pt")
    (folder / "state.pt").unlink()
    for step in (None, 4000):
        found = read_garg(folder, step).learner.state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not any(bool(tensor.any()) for tensor in read_garg(folder, 10).learner.state_dict().values())
    assert "it holds the steps: 10, 4000" in refusal(lambda: read_garg(folder, 7))
    for path in folder.glob("model_*.pt"):
        path.unlink()
    assert "got neither" in refusal(lambda: read_garg(folder))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("family: gpt2", "family: lstm", "expected 'gpt2', got 'lstm'"),
        ("  family: gpt2\n", "", "got None"),
        ("n_head: 2", "n_head: two", "model.n_head: expected a whole number >= 1, got 'two'"),
        ("n_head: 2", "n_head: 3", "n_heads: expected a divisor"),
        ("n_embd: 16", "n_embd: 32", "wrong shapes: decoder.read_in.weight: expected [32, 4], got [16, 4]"),
        ("n_layer: 2", "n_layer: 1", "unexpected tensors: decoder.blocks.1."),
        ("n_layer: 2", "n_layer: 3", "missing tensors: decoder.blocks.2."),
        ("n_positions: 11", "n_positions: 41", "decoder.positions.weight: expected [82, 16], got [22, 16]"),
        ("n_head: 2", "n_head: 2\n  rotary: true", "rotary"),
        ("model:", "network:", "expected a table `model`"),
        ("family: gpt2", "family: !!python/object/apply:os.system ['touch ran']", "expected plain YAML"),
        ("family: gpt2", "family: [", "expected plain YAML"),
    ],
)
def test_a_configuration_that_is_not_that_gpt2_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    folder = garg_copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    text = (folder / "config.yaml").read_text()
    assert old in text
    (folder / "config.yaml").write_text(text.replace(old, new))
    assert said in refusal(lambda: read_garg(folder))
    assert not (tmp_path / "ran").exists()


def test_dropout_in_the_configuration_changes_nothing(tmp_path: Path) -> None:
    folder = garg_copy(tmp_path)
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("n_head: 2", "n_head: 2\n  resid_pdrop: 0.1\n  dropout: 0.1"))
    assert read_garg(folder).n_dims == 4


def test_a_yaml_that_unfolds_without_end_is_refused_quickly(tmp_path: Path) -> None:
    folder = garg_copy(tmp_path)
    laughs = ["a0: &a0 [ha]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40))]
    (folder / "config.yaml").write_text("\n".join([*laughs, "model: {family: gpt2, n_dims: *a39, n_layer: *a39}"]))
    assert "model.n_dims: expected a whole number" in refusal(lambda: read_garg(folder))


# Files that mean harm.


class Payload:
    """Unpickled by a careless reader, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def repacked(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Rewrite every part of a torch file."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(path, "w", compression) as target:
        for part in source.namelist():
            target.writestr(part, change(part, source.read(part)))


@pytest.mark.parametrize("name", ["state.pt", "weights.safetensors"])
def test_a_pickle_with_a_payload_never_runs(tmp_path: Path, name: str) -> None:
    ran = tmp_path / "ran"
    folder = garg_copy(tmp_path) if name == "state.pt" else written(tmp_path / "own")
    torch.save({"model_state_dict": {"_read_in.weight": Payload(ran)}}, folder / name)
    said = refusal(lambda: read_garg(folder) if name == "state.pt" else read_checkpoint(folder))
    assert "posix system" in said if name == "state.pt" else "a pickle" in said
    (folder / name).write_bytes(pickle.dumps(Payload(ran)))
    refusal(lambda: read_garg(folder) if name == "state.pt" else read_checkpoint(folder))
    assert not ran.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_payload_in_any_dialect_of_pickle_never_runs(tmp_path: Path, protocol: int) -> None:
    path, ran = tmp_path / "state.pt", tmp_path / "ran"
    torch.save({"a": torch.ones(2)}, path)
    payload = pickle.dumps(Payload(ran), protocol=protocol)
    repacked(path, lambda part, content: payload if part.endswith("data.pkl") else content)
    assert "nothing was run" in refusal(lambda: load_torch_file(path))
    assert not ran.exists()


def test_a_call_for_memory_in_a_pickle_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"a": torch.ones(2)}, path)
    greedy = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06" + (10**13).to_bytes(6, "little") + b"\x85R."
    repacked(path, lambda part, content: greedy if part.endswith("data.pkl") else content)
    assert "builtins bytearray" in refusal(lambda: load_torch_file(path))


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save({"a": torch.zeros(1_000_000)}, path)
    repacked(path, lambda _, content: content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "packs nothing" in refusal(lambda: load_torch_file(path))


def test_tensors_that_claim_more_than_they_hold_are_refused_by_their_shape(tmp_path: Path) -> None:
    folder = garg_copy(tmp_path)
    state = torch.load(folder / "state.pt", weights_only=True)
    state["model_state_dict"]["_read_in.weight"] = torch.zeros(1).expand(10**6, 10**7)  # 40 TB of one number
    torch.save(state, folder / "state.pt")
    assert (folder / "state.pt").stat().st_size < 10**6
    assert "got [1000000, 10000000]" in refusal(lambda: read_garg(folder))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"note": "hello"}, "'note' (str)"),
        ({"nothing": None}, "'nothing' (NoneType)"),
        ({3: torch.ones(1)}, "3 ("),
        ({"inner": {"a": torch.ones(1)}}, "'inner' (dict)"),
    ],
)
def test_entries_that_are_no_tensors_are_named(tmp_path: Path, entries: dict[Any, Any], said: str) -> None:
    folder = garg_copy(tmp_path)
    state = torch.load(folder / "state.pt", weights_only=True)
    state["model_state_dict"].update(entries)
    torch.save(state, folder / "state.pt")
    assert said in refusal(lambda: read_garg(folder))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a file of torch", b"\x80\x02}q\x00."])
def test_files_that_are_not_torchs_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    assert "expected a torch file" in refusal(lambda: load_torch_file(tmp_path / "a.pt"))
    whole = (GARG / "state.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(whole[: len(whole) // 2])
    refusal(lambda: load_torch_file(tmp_path / "a.pt"))
    torch.save([torch.ones(1)], tmp_path / "b.pt")
    assert "got list" in refusal(lambda: read_mapped(tmp_path / "b.pt", Network("gpt2", TINY, 3), Mapped()))


# Bare state dicts.


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_bare_state_dict_is_read_by_its_names(tmp_path: Path, suffix: str, dtype: torch.dtype) -> None:
    ours = GPT2(**TINY).initial(3).state_dict()
    theirs = OrderedDict(
        (
            f"net.{name.replace('decoder.blocks.', 'h.')}",
            (tensor.mT if "feed_forward" in name and tensor.ndim == 2 else tensor).to(dtype).contiguous(),
        )
        for name, tensor in ours.items()
    )
    theirs["net.counter"] = torch.tensor(3)
    path = tmp_path / f"weights.{suffix}"
    torch.save({"state_dict": theirs}, path) if suffix == "pt" else save_file(theirs, path)
    model = load_model(
        "checkpoint",
        path=str(path),
        architecture="gpt2",
        arguments=TINY,
        n_dims=3,
        names={"net.": "", "net.h.": "decoder.blocks."},
        transpose=["*.feed_forward.*.weight"],
        ignore=["*.counter"],
    )
    found = model.on(torch.device("cpu")).state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(found[name], tensor.to(dtype).float()) for name, tensor in ours.items())


def test_a_mapping_that_does_not_fit_says_what_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(GPT2(**TINY).initial(3).state_dict(), path)
    network = Network("gpt2", TINY, 3)
    said = refusal(lambda: read_mapped(path, network, Mapped({"decoder.": "decode."})))
    assert "missing tensors: decoder.read_in.weight" in said
    assert "unexpected tensors: decode.blocks.0.feed_forward.project_in.bias (did you mean 'decoder.blocks.0." in said
    clash = Mapped({"decoder.norm.weight": "decoder.norm.bias"})
    assert "two of its tensors are named 'decoder.norm.bias'" in refusal(lambda: read_mapped(path, network, clash))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"architecture": "gpt2", "arguments": {}}, "expected no other argument"),
        ({"architecture": "lstm"}, "its network is gpt2; expected that beside `path`, got lstm"),
        ({"n_dims": 3}, "expected `architecture`"),
        ({"names": {"a": "b"}}, "expected `architecture`"),
        ({"architecture": "gpt2", "n_dims": 3}, "expected no other argument"),
        ({"step": 3}, "step"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    written(tmp_path / "own")
    assert said in refusal(lambda: load_model("checkpoint", path=str(tmp_path / "own"), **arguments))


def test_a_state_dict_needs_its_dimension_and_a_folder_without_a_card_is_none(tmp_path: Path) -> None:
    save_file(GPT2(**TINY).initial(3).state_dict(), tmp_path / "weights.safetensors")
    asked = {"architecture": "gpt2", "arguments": TINY}
    path = str(tmp_path / "weights.safetensors")
    assert "n_dims: expected a number >= 1" in refusal(lambda: load_model("checkpoint", path=path, **asked))
    folder = str(tmp_path)
    assert "expected a file" in refusal(lambda: load_model("checkpoint", path=folder, n_dims=3, **asked))


OWN_NETWORK = """
from dataclasses import dataclass

from icl_bench.models.networks.gpt2 import GPT2


@dataclass(frozen=True, kw_only=True)
class Own(GPT2):
    width: int = 16
"""


def test_a_network_in_its_authors_file_is_run_only_when_the_suite_names_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_NETWORK)
    architecture = loading.build("models", "./own.py:Own", {"n_layers": 1}, tmp_path)
    learner = architecture.initial(3)
    write_checkpoint(tmp_path / "own", learner, card_for("./own.py:Own", plain_arguments(architecture)))
    with pytest.raises(CheckpointError, match=r"architecture = './own.py:Own'"):
        loading.build("models", "checkpoint", {"path": "own"}, tmp_path)
    asked = {"path": "own", "architecture": "./own.py:Own"}
    model = loading.build("models", "checkpoint", asked, tmp_path)
    prompts = LAW.draw(Streams(0, 0)).prompts.select(slice(0, 4))
    assert torch.equal(model.predict(prompts).mean, learner.predict(prompts).mean)
    suite = replace(load_suite(ROOT / "suites" / "quick.toml"), folder=tmp_path)
    spec = ModelSpec("checkpoint", "own", asked)
    before = model_digest(suite, spec)
    (tmp_path / "own.py").write_text(OWN_NETWORK + "\n# changed\n")
    assert model_digest(suite, spec) != before


# In a suite.


def test_a_suite_asks_the_checkpoint_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path / "nets" / "own")
    monkeypatch.chdir(folder)  # not where the suite is
    run = run_suite(suite_file(tmp_path), out=tmp_path / "run")
    scores = run.scores
    assert set(scores["status"]) == {"ok"}
    learner = read_checkpoint(folder).learner
    draw = PromptLaw(Linear(3), GaussianNoise(0.25), Sizes((0, 2, 4))).draw(Streams(0, 0))
    error = (learner.predict(draw.prompts).mean.double() - draw.targets.query_f)[:8].square().mean(0)
    own = (scores["scenario"] == "base") & (scores["metric"] == "squared_error")
    stored = scores[own].sort_values("context_size")["mean"]
    assert stored.to_numpy() == pytest.approx(error.numpy(), rel=1e-5)


def test_changed_weights_are_another_model(tmp_path: Path) -> None:
    folder = written(tmp_path / "nets" / "own")
    suite = load_suite(suite_file(tmp_path))
    (spec,) = suite.models
    before = model_digest(suite, spec)
    built = kept(suite, digests_of(suite))
    assert kept(suite, digests_of(suite)) is built
    (folder / "training.log").write_text("answers do not depend on it")
    assert model_digest(suite, spec) == before
    write_checkpoint(folder, GPT2(**TINY, seed=7).initial(3), card_for("gpt2", TINY), replace=True)
    after = model_digest(suite, spec)
    assert after != before
    assert kept(suite, digests_of(suite)) is not built
    card = folder / "card.toml"
    card.write_text(card.read_text().replace("n_heads = 2", "n_heads = 1"))
    assert model_digest(suite, spec) not in (before, after)
    assert model_digest(replace(suite, folder=tmp_path / "nets"), spec) != after  # nothing is there


def test_a_suite_that_names_no_checkpoint_is_refused_before_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(suite_file(tmp_path, "nets/none"))
    with pytest.raises(
        SuiteError, match=r"suite.toml:\d+: model 'checkpoint': argument 'path': no such file or folder"
    ):
        check_suite(suite, make_plan(suite))
    monkeypatch.setattr(shipped, "package_root", lambda: tmp_path)
    written(tmp_path / "zoo" / "gpt2_linear")
    for path in ("zoo:gpt2_liner", "zoo:../zoo/gpt2_linear"):
        suite = load_suite(suite_file(tmp_path, path))
        with pytest.raises(SuiteError, match=r"did you mean 'gpt2_linear'\?\); expected: gpt2_linear"):
            check_suite(suite, make_plan(suite))
    suite = load_suite(suite_file(tmp_path, "zoo:gpt2_linear"))
    prompts = LAW.draw(Streams(1, 0)).prompts.select(slice(0, 2))
    assert build_model(suite, suite.models[0]).predict(prompts).mean.shape == (2, 4)


def test_prompts_of_another_dimension_fail_that_model_alone_and_name_both(tmp_path: Path) -> None:
    written(tmp_path / "nets" / "own")
    scores = run_suite(suite_file(tmp_path, n_dims=5), out=tmp_path / "run").scores
    scores = scores[scores["model"] != "(prompts)"]
    assert set(scores["status"]) == {"error"}
    assert all("n_dims = 3, got prompts of n_dims = 5" in message for message in scores["message"])


def test_contexts_longer_than_the_positions_are_refused_in_words(tmp_path: Path) -> None:
    model = load_model("checkpoint", path=str(written(tmp_path / "own")))
    for next_example in (True, False):
        prompts = PromptBatch(torch.ones(1, 6, 3), torch.ones(1, 6), torch.ones(1, 1, 3), (6,), next_example)
        with pytest.raises(ValueError, match="12 positions"):
            model.predict(prompts)


def test_a_learner_that_is_linear_says_so_and_another_does_not(tmp_path: Path) -> None:
    architecture = loading.build("models", "linear_attention_layer", {})
    learner = architecture.initial(3)
    write_checkpoint(tmp_path / "linear", learner, card_for("linear_attention_layer", plain_arguments(architecture)))
    law = replace(LAW, sizes=Sizes((4,)))
    linear = load_model("checkpoint", path=str(tmp_path / "linear")).bind(law)  # type: ignore[attr-defined]
    prompts = LAW.draw(Streams(1, 0)).prompts
    assert isinstance(linear, LinearLearner)
    assert torch.equal(linear.linear_maps(prompts).signal, learner.linear_maps(prompts).signal)
    parameters = LAW.draw(Streams(1, 0)).parameters
    assert linear.tail_index(parameters, 4) == learner.tail_index(parameters, 4)  # type: ignore[attr-defined]
    other = load_model("checkpoint", path=str(written(tmp_path / "own"))).bind(law)  # type: ignore[attr-defined]
    assert not isinstance(other, LinearLearner)
    unordered = loading.build("models", "set_mlp", {})
    write_checkpoint(tmp_path / "set", unordered.initial(3), card_for("set_mlp", plain_arguments(unordered)))
    untold = load_model("checkpoint", path=str(tmp_path / "set")).bind(law)  # type: ignore[attr-defined]
    assert not hasattr(untold, "tail_index")


def test_a_bad_checkpoint_is_no_internal_error(tmp_path: Path) -> None:
    folder = written(tmp_path / "own")
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged or cut off"):
        load_model("checkpoint", path=str(folder))
    with pytest.raises(PluginError, match="no such file or folder"):
        load_model("checkpoint", path=str(tmp_path / "none"))
