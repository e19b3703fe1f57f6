"""Write the golden prompt digests of every shipped suite: `python tests/golden/update.py`.

Only for a new suite or a new version of one: a released suite never changes.
"""

from __future__ import annotations

import json
from pathlib import Path

from icl_bench.assembly.laws import prompt_digest
from icl_bench.suites.plan import make_plan
from icl_bench.suites.suite_file import load_suite

HERE = Path(__file__).parent

if __name__ == "__main__":
    for path in sorted((HERE.parent.parent / "suites").glob("*.toml")):
        suite = load_suite(path)
        digests = {prompt_set.key: prompt_digest(suite, prompt_set) for prompt_set in make_plan(suite).prompt_sets}
        content = {"suite": suite.name, "version": suite.version, "prompt_digests": digests}
        (HERE / f"{suite.name}.json").write_text(json.dumps(content, indent=1) + "\n")
        print(f"{suite.name}: {len(digests)} prompt sets")
