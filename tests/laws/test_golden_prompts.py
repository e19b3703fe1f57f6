"""The prompts of every shipped suite are what they were when it was released, to the bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from icl_bench.assembly.laws import prompt_digest
from icl_bench.seeding import Streams
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite_file import load_suite
from tests.command import ROOT

SUITES = sorted((ROOT / "suites").glob("*.toml"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_prompt_digests_are_golden(path: Path) -> None:
    suite = load_suite(path)
    golden = json.loads((ROOT / "tests" / "golden" / f"{suite.name}.json").read_text())
    assert golden["version"] == suite.version
    drawn = {prompt_set.key: prompt_digest(suite, prompt_set) for prompt_set in make_plan(suite).prompt_sets}
    assert drawn == golden["prompt_digests"]


def test_a_single_bit_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = load_suite(SUITES[0])
    prompt_set = replace(make_plan(suite).prompt_sets[0], n_prompts=256)
    before = prompt_digest(suite, prompt_set)
    original = Streams._generator

    class OneBitOff:
        def __init__(self, generator: object) -> None:
            self.generator = generator

        def standard_normal(self, shape: tuple[int, ...]) -> object:
            values = self.generator.standard_normal(shape)  # type: ignore[attr-defined]
            values.reshape(-1).view("u8")[-1] ^= 1
            return values

    monkeypatch.setattr(Streams, "_generator", lambda self, name: OneBitOff(original(self, name)))
    assert prompt_digest(suite, prompt_set) != before
