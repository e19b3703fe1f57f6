"""A corpus of broken suite files: each ends with exit code 2 and a message that says where and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from icl_bench.cli.main import app

GOOD = """[suite]
name = "good"
version = 1

[prompts]
n_dims = 3
context_sizes = [0, 2, 4]
noise_std = 0.5
n_prompts = 256

[training]
n_context = 4

[[models]]
use = "ols"

[[scenarios]]
use = "covariate/scale"
severities = [1.0, 2.0]

[metrics]
use = ["squared_error"]
"""

# name -> (text to replace in GOOD, replacement, what the message must say, line it must name or None)
CORPUS: dict[str, tuple[str, str, str, int | None]] = {
    "suite name missing": ('name = "good"\n', "", "suite.name: missing", 1),
    "suite table missing": (
        '[suite]\nname = "good"\nversion = 1\n',
        "",
        "[suite] with name and version is missing",
        None,
    ),
    "version is text": ("version = 1", 'version = "1"', "expected a valid integer, got '1'", 3),
    "version is zero": ("version = 1", "version = 0", "greater than or equal to 1, got 0", 3),
    "version is true": ("version = 1", "version = true", "expected a valid integer, got True", 3),
    "name with a path separator": ('"good"', '"../../etc/x"', "expected letters, digits", 2),
    "name with a null": ('"good"', '"a\\u0000b"', "expected letters, digits", 2),
    "name empty": ('"good"', '""', "expected letters, digits", 2),
    "name too long": ('"good"', f'"{"x" * 200}"', "at most 80", 2),
    "unknown table": ("[training]", "[trainning]", "did you mean 'training'?", 11),
    "unknown key": ("noise_std", "noise_sd", "did you mean 'noise_std'?", 8),
    "severities of one text": (
        "severities = [1.0, 2.0]",
        "severities = [1000.1, 2.0, 1000.2]",
        "1000.1 and 1000.2 would both be 1000 in tables",
        19,
    ),
    "severities of one text in a product": (
        'use = "covariate/scale"\nseverities = [1.0, 2.0]',
        'product = [{ use = "covariate/scale", severities = [2.0, 2.00001] }, { use = "noise/variance",'
        " severities = [4.0] }]",
        "2.0 and 2.00001 would both be 2 in tables",
        18,
    ),
    "prompts missing": (
        "[prompts]\nn_dims = 3\ncontext_sizes = [0, 2, 4]\nnoise_std = 0.5\nn_prompts = 256\n",
        "",
        "[prompts] is missing",
        None,
    ),
    "context sizes missing": ("context_sizes = [0, 2, 4]\n", "", "context_sizes is missing", 5),
    "context sizes empty": ("[0, 2, 4]", "[]", "expected", 7),
    "context sizes negative": ("[0, 2, 4]", "[-1, 2]", "from 0 to", 7),
    "context sizes twice": ("[0, 2, 4]", "[2, 2]", "each context size once", 7),
    "context sizes fractional": ("[0, 2, 4]", "[0.5]", "whole numbers", 7),
    "context sizes backwards": ("[0, 2, 4]", '"9:3"', "expected", 7),
    "context sizes in words": ("[0, 2, 4]", '"a few"', "first:last", 7),
    "context sizes astronomic": ("[0, 2, 4]", '"0:999999"', "65536", 7),
    "dimension zero": ("n_dims = 3", "n_dims = 0", "greater than or equal to 1", 6),
    "dimension fractional": ("n_dims = 3", "n_dims = 2.5", "expected a valid integer", 6),
    "noise negative": ("0.5", "-0.5", "greater than or equal to 0", 8),
    "noise nan": ("0.5", "nan", "finite number", 8),
    "noise infinite": ("0.5", "inf", "finite number", 8),
    "noise text": ("0.5", '"loud"', "expected a valid number", 8),
    "prompt count zero": ("n_prompts = 256", "n_prompts = 0", "greater than or equal to 1", 9),
    "seeds empty": ("n_prompts = 256", "seeds = []", "at least one whole number", 9),
    "seeds negative": ("n_prompts = 256", "seeds = [-1]", "whole number >= 0", 9),
    "seeds of training": ("n_prompts = 256", "seeds = [2305843009213693952]", "seeds below 2^61", 9),
    "seeds twice": ("n_prompts = 256", "seeds = [1, 1]", "each seed once", 9),
    "unknown function class": ("n_dims = 3", 'function_class = "lineer"', "did you mean 'linear'?", 6),
    "function class argument": ("n_dims = 3", "function_class_arguments = { tua = 2.0 }", "did you mean 'tau'?", None),
    "training length zero": ("n_context = 4", "n_context = 0", "greater than or equal to 1", 12),
    "training scenarios a table": ("n_context = 4", "scenarios = { use = 'base' }", "expected a valid list", 12),
    "training scenario unknown": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/scal", severity = 2.0 }]',
        "no scenario is called 'covariate/scal' (did you mean 'covariate/scale'?)",
        12,
    ),
    "training severity missing": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/scale" }]',
        "training.scenarios[0]: covariate/scale: severity is missing: expected a number",
        12,
    ),
    "training severity text": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/scale", severity = "big" }]',
        "training.scenarios[0].severity: expected a valid number, got 'big'",
        12,
    ),
    "training severity nan": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/scale", severity = nan }]',
        "covariate/scale at severity nan: expected a scale c > 0",
        11,
    ),
    "training severity outside the dial": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/scale", severity = -2.0 }]',
        "[training]: covariate/scale at severity -2.0: expected a scale c > 0, got -2.0",
        11,
    ),
    "training scenario argument": (
        "n_context = 4",
        'scenarios = [{ use = "covariate/spectrum", severity = 1.0, fixed_rotaton = true }]',
        "unknown argument 'fixed_rotaton' (did you mean 'fixed_rotation'?)",
        11,
    ),
    "training scenarios of one place": (
        "n_context = 4",
        'scenarios = [{ use = "noise/heavy_tail", severity = 3.0 }, { use = "noise/heavy_tail", severity = 5.0 }]',
        "put another law in the same place",
        11,
    ),
    "unknown training key": ("n_context = 4", "n_contexts = 4", "did you mean 'n_context'?", 12),
    "a model's training a number": (
        'use = "ols"',
        'use = "ols"\ntraining = 4',
        "models[0].training: expected a valid dictionary, got 4",
        16,
    ),
    "unknown key of a model's training": (
        'use = "ols"',
        'use = "ols"\ntraining = { nois_std = 1.0 }',
        "models[0].training.nois_std: unknown key (did you mean 'noise_std'?)",
        16,
    ),
    "unknown scenario of a model's training": (
        'use = "ols"',
        'use = "ols"\ntraining = { scenarios = [{ use = "task/scal", severity = 2.0 }] }',
        "did you mean 'task/scale'?",
        16,
    ),
    "severity of a model's training": (
        'use = "ols"',
        'use = "ols"\ntraining = { scenarios = [{ use = "task/scale", severity = 0.0 }] }',
        "training of model 'ols': task/scale at severity 0.0: expected a scale c > 0, got 0.0",
        16,
    ),
    "severity missing of a model's training": (
        'use = "ols"',
        'use = "ols"\ntraining = { scenarios = [{ use = "task/scale" }] }',
        "models[0].training.scenarios[0]: task/scale: severity is missing",
        16,
    ),
    "task covariance of another size": (
        "n_dims = 3",
        "n_dims = 3\nfunction_class_arguments = { covariance = [1, 2] }",
        "covariance: expected 3 numbers or 3 lists of 3, got shape (2, 2)",
        None,
    ),
    "task covariance negative": (
        "n_dims = 3",
        "n_dims = 3\nfunction_class_arguments = { covariance = [1, 2, -1] }",
        "covariance: expected no negative eigenvalue",
        None,
    ),
    "no models": ('[[models]]\nuse = "ols"\n', "", "at least one [[models]]", None),
    "models a table": ("[[models]]", "[models]", "expected a list of tables ([[models]])", 14),
    "models a number": ('[[models]]\nuse = "ols"\n', "", "at least one [[models]]", None),
    "unknown model": ('"ols"', '"olss"', "did you mean 'ols'?", 15),
    "model without use": ('use = "ols"', 'name = "x"', "models[0].use: missing", 14),
    "unknown model argument": ('use = "ols"', 'use = "ridge"\nalfa = 1.0', "did you mean 'alpha'?", 14),
    "ill-typed model argument": ('use = "ols"', 'use = "ridge"\nalpha = "big"', "argument 'alpha': expected", 14),
    "nan model argument": ('use = "ols"', 'use = "ridge"\nalpha = nan', "argument 'alpha': expected", 14),
    "duplicate model": ('use = "ols"', 'use = "ols"\n[[models]]\nuse = "ols"', "'ols' is taken", 16),
    "model name with a separator": ('use = "ols"', 'use = "ols"\nname = "a/b"', "expected letters, digits", 16),
    "model file missing": ('"ols"', '"./none.py:Mine"', "no such file", 15),
    "scikit-learn estimator missing": ('use = "ols"', 'use = "sklearn"', "argument 'estimator' is missing", 14),
    "no scenarios": ("[[scenarios]]", "[[scenario]]", "did you mean 'scenarios'?", 17),
    "unknown scenario": ("covariate/scale", "covariate/scal", "did you mean 'covariate/scale'?", 18),
    "scenario without its axis": ("covariate/scale", "spectrum", "did you mean 'covariate/spectrum'?", 18),
    "severities missing": ("severities = [1.0, 2.0]", "", "severities are missing", 18),
    "severities empty": ("[1.0, 2.0]", "[]", "at least one number", 19),
    "severities nan": ("[1.0, 2.0]", "[nan]", "nan is not", 19),
    "severities text": ("[1.0, 2.0]", '["strong"]', "numbers only", 19),
    "severities not a list": ("[1.0, 2.0]", "2.0", "expected a list", 19),
    "severities twice": ("[1.0, 2.0]", "[1.0, 1]", "each severity once", 19),
    "severity outside the dial": ("[1.0, 2.0]", "[1.0, -2.0]", "expected a scale c > 0, got -2.0", 17),
    "unknown scenario argument": ("severities", "sevrities", "severities are missing", 18),
    "product beside use": (
        "severities",
        'product = [{use = "base"}, {use = "base"}]\nseverities',
        "not both or none",
        17,
    ),
    "duplicate scenario": (
        "[metrics]",
        '[[scenarios]]\nuse = "covariate/scale"\nseverities = [3.0]\n[metrics]',
        "'covariate/scale' is taken",
        21,
    ),
    "unknown metric": ('"squared_error"', '"sqared_error"', "did you mean 'squared_error'?", 22),
    "metrics empty": ('["squared_error"]', "[]", "at least 1 item", 22),
    "metric twice": ('"squared_error"', '"squared_error", "squared_error"', "each metric once", 22),
    "agreement with nothing": ('"squared_error"', '"agreement"', "argument 'reference' is missing", None),
    "duplicate key": ("n_dims = 3", "n_dims = 3\nn_dims = 4", "Cannot overwrite a value", 7),
    "duplicate table": ("[training]", "[prompts]", "declare", 11),
    "not TOML": ("[training]", "training: 4", "not valid TOML", 11),
    "unclosed string": ('"good"', '"good', "not valid TOML", 2),
}


def broken(name: str, tmp_path: Path) -> Path:
    old, new, _, _ = CORPUS[name]
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if name == "models a number":
        text = "models = 3\n" + GOOD.replace('[[models]]\nuse = "ols"\n', "", 1)
    path = tmp_path / "suite.toml"
    path.write_text(text)
    return path


def refused(*arguments: str) -> str:
    """Run the command; it must end with exit code 2 and no traceback. Returns what it wrote to stderr."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2, (result.exit_code, result.output)
    assert "Traceback" not in result.output
    assert "internal error" not in result.output
    return result.stderr


def test_the_good_suite_is_good(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(GOOD)
    assert CliRunner().invoke(app, ["validate", str(tmp_path / "suite.toml")]).exit_code == 0


@pytest.mark.parametrize("name", CORPUS)
def test_broken_suite(name: str, tmp_path: Path) -> None:
    path = broken(name, tmp_path)
    _, _, said, line = CORPUS[name]
    if name == "models a number":
        said, line = "expected a list of tables ([[models]]), got 3", 1
    message = refused("run", str(path), "--out", str(tmp_path / "out"))
    assert said in message
    if line is not None:
        assert f"suite.toml:{line}:" in message, message
    assert not (tmp_path / "out").exists(), "a refused suite must not leave a results folder"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("n_dims = 3", "n_dims = -3").replace('"ols"', '"olss"').replace("[1.0, 2.0]", '["x"]')
    (tmp_path / "suite.toml").write_text(text)
    message = refused("run", str(tmp_path / "suite.toml"))
    assert [int(line) for line in re.findall(r"suite\.toml:(\d+):", message)] == [6, 15, 19]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "got a folder"),
        (lambda path: path.write_bytes(bytes(range(256))), "expected a text file in UTF-8"),
        (lambda path: path.write_bytes(b"\x00" * 4096), "not valid TOML"),
        (lambda path: path.write_bytes(b""), "[suite] with name and version is missing"),
        (lambda path: path.write_text("a = " + "[" * 100_000), "not valid TOML"),
    ],
    ids=["missing", "folder", "binary", "nulls", "empty", "nested too deep"],
)
def test_a_file_that_is_no_suite(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "suite.toml"
    make(path)
    for verb in ("run", "validate"):
        assert said in refused(verb, str(path))
