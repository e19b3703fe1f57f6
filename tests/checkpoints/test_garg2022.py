"""The suite garg2022 against the public code's definitions, written down again in plain numpy on the same normals.

No expected value comes from a law, a scenario or a solver: what is random in an evaluation (signs, rotation, chosen
example) is read off a part of the prompts, held to its distribution, and must then explain all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from icl_bench import Run, run_suite
from icl_bench.arrays import Array, Array32
from icl_bench.assembly.laws import SuiteLaws
from icl_bench.laws.labels.gaussian import GaussianNoise
from icl_bench.run.suite_run import check_suite
from icl_bench.seeding import Streams
from icl_bench.suites.plan import PromptSet, make_plan
from icl_bench.suites.suite_file import load_suite
from icl_bench.tables.stored_losses import open_losses
from tests.command import ROOT

SUITE = load_suite(ROOT / "suites" / "garg2022.toml")
SETS = {loss_set.place.name: loss_set for loss_set in make_plan(SUITE).prompt_sets}
N_DIMS, N_POINTS = 20, 41

PUBLIC = {
    "standard": "base",
    "random_quadrants": "covariate/random_quadrants 1",
    "orthogonal_train_test": "query/orthogonal 1",
    "overlapping_train_test": "query/overlapping 1",
    "half_subspace": "covariate/half_subspace_fixed 0.5",
    "skewed": "covariate/skewed_fixed 2",
    "scale-x=0.3333333333333333": "covariate/scale 0.3333",
    "scale-x=0.5": "covariate/scale 0.5",
    "scale-x=2": "covariate/scale 2",
    "scale-x=3": "covariate/scale 3",
    "scale-y=0.3333333333333333": "task/scale 0.3333",
    "scale-y=0.5": "task/scale 0.5",
    "scale-y=2": "task/scale 2",
    "scale-y=3": "task/scale 3",
    "noisyLR": "noise/noisy_lr 0.9759 x 0.9524",
}
PER_PROMPT = {"half_subspace": "covariate/half_subspace 0.5", "skewed": "covariate/skewed 2"}
"""Evaluations that the public code has under one rotation, with a rotation a prompt."""

CASES = [*PUBLIC.items(), *PER_PROMPT.items()]


@dataclass(frozen=True)
class Normals:
    """What every evaluation starts from, a prompt: covariates, the task, noise, all standard normal."""

    x: Array  # (prompt, 41, dim)
    w: Array  # (prompt, dim)
    e: Array  # (prompt, 41)


@dataclass(frozen=True)
class Prompts:
    """Prompts as the public code keeps them: query i is asked after the first i of the 41 context points."""

    context_x: Array  # (prompt, 41, dim); ours hold 40
    query_x: Array  # (prompt, 41, dim); ours only at the sizes asked
    context_y: Array  # (prompt, 41)
    query_y: Array  # (prompt, 41)
    sizes: tuple[int, ...] = tuple(range(N_POINTS))


def drawn(name: str, seed: int = 0) -> Prompts:
    """The first block of a prompt set of the suite."""
    draw = SuiteLaws(SUITE).cell(SETS[name]).law.draw(Streams(seed, 0))
    seen, hidden = draw.prompts, draw.targets
    arrays = (seen.context_x.numpy(), seen.query_x.numpy(), seen.context_y.numpy(), hidden.query_y.numpy())
    return Prompts(*arrays, sizes=seen.context_sizes)


@pytest.fixture(scope="module")
def normals() -> Normals:
    law = SuiteLaws(SUITE).cell(SETS["base"]).law
    noisy = law.with_noise(GaussianNoise(1.0)).draw(Streams(0, 0))
    x, f, y = noisy.prompts.query_x.numpy(), noisy.targets.query_f.numpy(), noisy.targets.query_y.numpy()
    found = Normals(x, (np.linalg.pinv(x) @ f[..., None])[..., 0], y - f)
    for values in (found.x, found.w, found.e):
        assert abs(values.mean()) < 4.5 / values.size**0.5
        assert abs(values.var() - 1.0) < 4.5 * (2.0 / values.size) ** 0.5
    return found


def labelled(normals: Normals, context_x: Array, query_x: Array, scale: float = 1.0) -> Prompts:
    """Noiseless labels w . x, times a scale."""
    w = normals.w[:, None]
    return Prompts(context_x, query_x, scale * (context_x * w).sum(-1), scale * (query_x * w).sum(-1))


def standard(normals: Normals, seen: Prompts) -> Prompts:
    return labelled(normals, normals.x, normals.x)


def random_quadrants(normals: Normals, seen: Prompts) -> Prompts:
    """The context is |x| times one sign pattern a prompt, a uniform one; the query is any."""
    signs = np.sign(seen.context_x[:, :1])
    assert np.abs(signs.mean(0)).max() < 4.5 / len(signs) ** 0.5
    return labelled(normals, np.abs(normals.x) * signs, normals.x)


def orthogonal_train_test(normals: Normals, seen: Prompts) -> Prompts:
    """The query less its projection on the context's span, at its own norm; 0 where the context spans the space."""
    query = np.zeros_like(normals.x)
    for k in range(N_DIMS):
        span = np.linalg.svd(normals.x[:, :k], full_matrices=False)[2]  # (prompt, k, dim)
        own = normals.x[:, k]
        outside = own - np.einsum("pkd,pk->pd", span, np.einsum("pkd,pd->pk", span, own))
        query[:, k] = outside * (np.linalg.norm(own, axis=1) / np.linalg.norm(outside, axis=1))[:, None]
    return labelled(normals, normals.x, query)


def overlapping_train_test(normals: Normals, seen: Prompts) -> Prompts:
    """The query is one of the examples, each as often as another; without any the public code asks its own query."""
    query, places = normals.x.copy(), []
    for column, k in enumerate(seen.sizes):
        distance = np.linalg.norm(normals.x[:, :k] - seen.query_x[:, column, None], axis=2)
        chosen = distance.argmin(1)
        query[:, k] = np.take_along_axis(normals.x, chosen[:, None, None], 1)[:, 0]
        places.append((chosen + 0.5) / k)
    assert abs(np.mean(places) - 0.5) < 4.5 / (12.0 * np.size(places)) ** 0.5
    assert np.abs(np.bincount((4 * places[3]).astype(int), minlength=4) / len(normals.x) - 0.25).max() < 0.13
    return labelled(normals, normals.x, query)


def transformed(eigenvalues: Array) -> Callable[[Normals, Prompts], Prompts]:
    """x -> T x for context and query, T symmetric, its eigenvalues scaled to a mean square of 1."""
    roots = np.sort(eigenvalues * np.sqrt(N_DIMS / np.square(eigenvalues).sum()))

    def evaluation(normals: Normals, seen: Prompts) -> Prompts:
        matrices = rotated(normals, seen)
        np.testing.assert_allclose(matrices, matrices.swapaxes(1, 2), atol=1e-10)
        np.testing.assert_allclose(np.linalg.eigvalsh(matrices), np.broadcast_to(roots, matrices.shape[:2]), atol=1e-10)
        x = normals.x @ matrices
        return labelled(normals, x, x)

    return evaluation


def rotated(normals: Normals, seen: Prompts) -> Array:
    """T of each prompt, (prompt, dim, dim), read off its first 30 examples."""
    return np.linalg.pinv(normals.x[:, :30]) @ seen.context_x[:, :30]


def scaled_x(scale: float) -> Callable[[Normals, Prompts], Prompts]:
    return lambda normals, seen: labelled(normals, scale * normals.x, scale * normals.x)


def scaled_y(scale: float) -> Callable[[Normals, Prompts], Prompts]:
    return lambda normals, seen: labelled(normals, normals.x, normals.x, scale)


def noisy(normals: Normals, seen: Prompts) -> Prompts:
    """Labels w . x + e, e ~ N(0, 1), times sqrt(d) over their standard deviation, here that of the population."""
    y = (normals.x * normals.w[:, None]).sum(-1) + normals.e
    y *= np.sqrt(N_DIMS) / np.sqrt(N_DIMS + 1)
    return Prompts(normals.x, normals.x, y, y)


DEFINITIONS: dict[str, Callable[[Normals, Prompts], Prompts]] = {
    "standard": standard,
    "random_quadrants": random_quadrants,
    "orthogonal_train_test": orthogonal_train_test,
    "overlapping_train_test": overlapping_train_test,
    "half_subspace": transformed((np.arange(N_DIMS) < N_DIMS // 2).astype(float)),
    "skewed": transformed(1.0 / (np.arange(N_DIMS) + 1.0)),
    **{f"scale-x={text}": scaled_x(float(text)) for text in ("0.3333333333333333", "0.5", "2", "3")},
    **{f"scale-y={text}": scaled_y(float(text)) for text in ("0.3333333333333333", "0.5", "2", "3")},
    "noisyLR": noisy,
}


def test_the_suite_holds_all_fifteen_public_evaluations_at_their_settings() -> None:
    assert list(PUBLIC) == list(DEFINITIONS)
    assert len(PUBLIC) == 15
    assert {*PUBLIC.values(), *PER_PROMPT.values()} == set(SETS)
    prompts = SUITE.prompts
    assert (prompts.n_dims, prompts.context_sizes, prompts.n_prompts) == (N_DIMS, tuple(range(N_POINTS)), 1280)
    assert SUITE.training.n_context == 40
    header = SUITE.text.split("[suite]")[0]
    for name, prompt_set in SETS.items():
        assert prompt_set.place.scenario in header, f"the header does not name {name}"


def test_the_documentation_maps_every_public_name_and_its_example_is_a_suite(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "garg2022.md").read_text()
    for public, name in PUBLIC.items():
        label, shown = name.partition(" ")[0], public.partition("=")[0]
        assert re.search(rf"\| `{shown}(=s)?` \| `{label}`", text), f"docs/garg2022.md does not map {public}"
    (example,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "example.toml").write_text(example)
    suite = load_suite(tmp_path / "example.toml")
    plan = make_plan(suite)
    check_suite(suite, plan)
    assert [SuiteLaws(suite).cell(place).law.n_dims for place in plan.prompt_sets] == [20, 10]


@pytest.mark.parametrize(("public", "name"), CASES, ids=[name for _, name in CASES])
def test_prompts_are_those_of_the_definition(public: str, name: str, normals: Normals) -> None:
    seen = drawn(name)
    expected = DEFINITIONS[public](normals, seen)
    asked = list(seen.sizes)
    np.testing.assert_allclose(seen.context_x, expected.context_x[:, :-1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.context_y, expected.context_y[:, :-1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.query_x, expected.query_x[:, asked], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.query_y, expected.query_y[:, asked], rtol=1e-9, atol=1e-9)


def test_only_the_overlapping_query_leaves_a_size_out() -> None:
    every = tuple(range(N_POINTS))
    for name in SETS:
        sizes = SuiteLaws(SUITE).cell(SETS[name]).law.sizes.context_sizes
        assert sizes == (every[1:] if name == PUBLIC["overlapping_train_test"] else every)


@pytest.mark.parametrize("public", PER_PROMPT)
def test_the_public_rotation_is_one_for_all_prompts_and_seeds(public: str, normals: Normals) -> None:
    base = replace(normals, x=drawn("base", seed=1).query_x)
    once = rotated(normals, drawn(PUBLIC[public]))
    again = rotated(base, drawn(PUBLIC[public], seed=1))
    np.testing.assert_allclose(
        np.concatenate([once, again]), np.broadcast_to(once[0], (512, N_DIMS, N_DIMS)), atol=1e-9
    )
    own = rotated(normals, drawn(PER_PROMPT[public]))
    assert np.abs(own[1:] - own[:-1]).max((1, 2)).min() > 0.1


def test_noisy_labels_have_the_standard_deviation_that_the_public_code_divides_by() -> None:
    y = drawn(PUBLIC["noisyLR"]).query_y
    per_prompt = np.square(y).mean(1)
    assert abs(per_prompt.mean() - N_DIMS) < 4.5 * per_prompt.std() / len(y) ** 0.5


# What models lose

N_CHECKED = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("garg2022")
    quick = tuple(spec for spec in SUITE.metrics if spec.label in ("squared_error", "label_error"))
    suite = replace(SUITE, metrics=quick)  # what else the suite asks takes longer
    return run_suite(suite, out, models=("ols", "averaging"), n_prompts=256)


def least_squares(x: Array, y: Array, query_x: Array) -> Array:
    """Min-norm least squares, (prompt,)."""
    return ((np.linalg.pinv(x, rcond=1e-10) @ y[..., None])[..., 0] * query_x).sum(-1)


def averaging(x: Array, y: Array, query_x: Array) -> Array:
    """w = mean of y x, (prompt,)."""
    return ((x * y[..., None]).mean(1) * query_x).sum(-1)


@pytest.mark.parametrize(("public", "name"), CASES, ids=[name for _, name in CASES])
def test_losses_are_those_of_plain_least_squares_and_averaging(
    public: str, name: str, normals: Normals, run: Run
) -> None:
    prompts = drawn(name)
    losses, place = stored(run, SETS[name])
    w, scale = normals.w[:N_CHECKED], np.sqrt(20 / 21) if public == "noisyLR" else 1.0
    scale *= float(public.partition("=")[2]) if public.startswith("scale-y") else 1.0
    assert place == prompts.sizes
    for column, k in enumerate(prompts.sizes):
        x, y = prompts.context_x[:N_CHECKED, :k], prompts.context_y[:N_CHECKED, :k]
        query_x, query_y = prompts.query_x[:N_CHECKED, column], prompts.query_y[:N_CHECKED, column]
        query_f = scale * (w * query_x).sum(-1)
        for model, answer in (("ols", least_squares), ("averaging", averaging)):
            answered = answer(x, y, query_x) if k else np.zeros(N_CHECKED)
            for metric, truth in (("squared_error", query_f), ("label_error", query_y)):
                kept = losses[model][metric][:N_CHECKED, column]
                np.testing.assert_allclose(kept, np.square(answered - truth), rtol=1e-5, atol=1e-12, err_msg=f"{k}")


def stored(run: Run, wanted: PromptSet) -> tuple[dict[str, dict[str, Array32]], tuple[int, ...]]:
    losses = open_losses(run.path)
    (place,) = [held for held in losses.sets if held.place == wanted.place]
    return losses.read(place, ["squared_error", "label_error"]), place.context_sizes


def test_a_fixed_rotation_leaves_every_prompt_its_own_and_has_an_interval(run: Run) -> None:
    scores = run.scores
    for name in PER_PROMPT:
        label = SETS[PUBLIC[name]].place.scenario
        (cluster_size,) = {held.cluster_size for held in open_losses(run.path).sets if held.place.scenario == label}
        assert cluster_size == 1
        rows = scores[(scores.scenario == label) & (scores.metric == "squared_error") & (scores.context_size == 5)]
        (row,) = rows[rows.model == "ols"].to_dict("records")
        assert row["ci_low"] < row["mean"] < row["ci_high"]


def test_least_squares_has_a_median_and_no_mean_where_noisy_examples_are_as_many_as_dimensions(run: Run) -> None:
    scores = run.scores
    rows = scores[(scores.scenario == "noise/noisy_lr") & (scores.model == "ols") & (scores.metric == "label_error")]
    for row in rows.to_dict("records"):
        assert row["mean_exists"] == (abs(row["context_size"] - N_DIMS) > 1), row["context_size"]
        assert np.isnan(row["mean"]) == (not row["mean_exists"])
        assert row["median_low"] <= row["median"] <= row["median_high"]
