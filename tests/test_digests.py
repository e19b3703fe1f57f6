"""What names prompts, laws, weights, suites and recipes by content: values that stored results rest on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from icl_bench import load_model
from icl_bench.assembly.laws import base_law
from icl_bench.checkpoints.weights import weights_digest
from icl_bench.digests import (
    bytes_digest,
    combined_digest,
    content_digest,
    file_digest,
    raw_digest,
    text_digest,
    whole_number,
)
from icl_bench.laws.canonical import law_digest
from icl_bench.laws.draws import Clusters, Draws
from icl_bench.laws.sizes import PromptRows
from icl_bench.laws.table_rows import DataTable
from icl_bench.seeding import Streams
from icl_bench.suites.suite_file import load_suite
from icl_bench.training.recipe_file import load_recipe

SUITE = """[suite]
name = "s"
version = 1
[prompts]
n_dims = 2
context_sizes = [1]
n_prompts = 10
[[models]]
use = "ols"
[[scenarios]]
use = "base"
"""

RECIPE = """[recipe]
name = "r"
version = 1
[network]
use = "set_mlp"
[prompts]
n_dims = 2
context_sizes = [0, 1, 2]
[optimisation]
n_steps = 10
"""


def test_digests_of_texts_values_and_files_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights\n" * 3)
    assert text_digest("n_dims = 8") == "b2f1f7babd14f072c3260eab815afe84"
    assert content_digest({"b": [1, 2.5, None], "a": "x"}) == "d0816bdf78f5c27aa5f75b5e28fcea64"
    assert combined_digest(["00ff", "ff00"]) == "466b23da77ef09a2fd924b4c3fa99835"
    assert file_digest(tmp_path / "weights") == "c0b9fc00a8d6a3ff2768db4acdffdb58"
    assert whole_number("icl-bench/initial-weights/0", 7) == 68729357855934356


def test_a_digest_is_of_the_bytes_and_not_of_how_they_are_cut() -> None:
    assert bytes_digest([b"{", memoryview(b"}")]) == bytes_digest([b"{}"]) == "2afb9b83f9314e5d029766197f539792"
    assert raw_digest([b"{}"], 4).hex() == bytes_digest([b"{}"], 4) != bytes_digest([b"{}"])[:8]


def test_a_value_that_json_lacks_counts_as_its_text() -> None:
    assert content_digest({"path": Path("a/b")}) == content_digest({"path": "a/b"})


def test_digests_of_weights_and_tables_are_what_they_were() -> None:
    tensors = {"b": torch.arange(4.0).reshape(2, 2), "a": torch.ones(1)}
    assert weights_digest(tensors) == "cf7068b9607df411349240987f3e88ea"
    table = DataTable(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, -0.5]), ("age", "size"))
    assert table.digest == "3c0e3e32e8f93dd325622317bf540d4d"


def test_draws_and_initial_weights_are_what_they_were() -> None:
    streams = Streams(5, 1)
    assert streams.normal("covariates", (2,)).tolist() == [1.123407528920905, 0.4727737924627468]
    assert streams.digest() == "966cdf85d5d1400b90f58ab4f69433f0"
    learner = load_model("set_mlp", width=4).initial(2)
    assert next(learner.parameters()).flatten()[:2].tolist() == [-0.016055408865213394, 0.4022824466228485]


def test_digests_of_a_suite_its_law_and_its_prompts_are_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE)
    suite = load_suite(tmp_path / "suite.toml")
    assert (suite.digest, suite.question_digest) == (
        "860ca6765b1066fa66348137835c3426",
        "6408f0b77aae72dca55eb1859b5336ea",
    )
    law = base_law(suite.prompts, suite.folder)
    assert law_digest(law) == "e841570aa616fc1feb34cd6dd1547f15"
    assert law.draw(Streams(5, 1)).digest == "32cd068a18fa32970ad8385b9f27684c"
    draws = Draws(Streams(0, 0), PromptRows.of(law.sizes, False), clusters=Clusters())
    assert draws.per_key("coin", [b"a", b"b"]).tolist() == [0.5577323418280269, 0.3861594512921231]
    assert replace(suite, version=2).digest != suite.digest


def test_the_digest_of_a_recipe_is_what_it_was(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    assert load_recipe(tmp_path / "recipe.toml").digest == "65f56a6a95e0b1ce2010054be720f1c2"
