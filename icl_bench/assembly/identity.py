"""Digests of what defines a run: what a suite asks, each of its models, and icl-bench's own code."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from icl_bench.digests import bytes_digest, content_digest, file_digest, text_digest
from icl_bench.errors import PluginError
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import file_arguments
from icl_bench.shipped import package_root
from icl_bench.suites.suite import ModelSpec, Suite
from icl_bench.version import __version__


@dataclass(frozen=True, slots=True)
class Digests:
    """What tells one run from another, as taken at one moment; small, so that it travels with every job."""

    question: str  # what the suite asks, models aside
    models: Mapping[str, str]  # label -> what defines the model
    code: str  # icl-bench's own code that draws, answers and scores

    def of_run(self, device: str) -> str:
        """Return the hex digest of a run on `device`: runs that agree in it can share a folder."""
        return text_digest("/".join([self.question, device, self.code]))


def digests_of(suite: Suite) -> Digests:
    """Return the digests of a suite whose plugins and files are there, as they are now."""
    models = {spec.label: model_digest(suite, spec) for spec in suite.models}
    return Digests(question_digest(suite), models, code_digest())


def model_digest(suite: Suite, spec: ModelSpec) -> str:
    """Return the hex digest of what defines a model: name, arguments, its code, and the files that it is given."""
    content = [spec.use, _plain(spec.arguments), _origin("models", spec.use, suite.folder)]
    if spec.training is not None:
        factors = spec.training.factors or ()
        content += [repr(spec.training), *(_origin("scenarios", factor.use, suite.folder) for factor in factors)]
    return content_digest([*content, *_files_given(suite, spec)])


def question_digest(suite: Suite) -> str:
    """Return the hex digest of all that a suite asks, models aside: its text's content and its plugins' code.

    An edited scenario file asks another question, though the suite that names it is the same.
    """
    uses = [("scenarios", factor.use) for spec in suite.scenarios for factor in spec.factors]
    uses += [("scenarios", factor.use) for factor in suite.training.factors or ()]
    uses += [("metrics", spec.use) for spec in suite.metrics]
    settings = [suite.prompts, *(spec.prompts for spec in suite.scenarios)]
    uses += [("function_classes", prompts.function_class) for prompts in settings]
    return content_digest([suite.question_digest, sorted({_origin(kind, use, suite.folder) for kind, use in uses})])


def _plain(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in arguments.items()}


def _origin(kind: str, use: str, folder: Path) -> str:
    """Return what identifies a plugin's code: the package's digest, or its own file's (and its version)."""
    if catalogue.is_file_reference(use):
        return file_digest(folder / use.rpartition(":")[0])
    entry = catalogue.find(kind, use)
    if entry.built_in:
        return code_digest()
    from importlib.util import find_spec

    found = find_spec(entry.module)
    file = Path(found.origin) if found and found.origin else None
    return f"{_package_version(entry.module)}/{file_digest(file) if file and file.is_file() else entry.module}"


def _files_given(suite: Suite, spec: ModelSpec) -> list[list[str]]:
    """Return argument, name and digest of every file that a model's path arguments (`FileArgument`) point to."""
    try:
        cls = loading.plugin_class("models", spec.use, suite.folder)
    except PluginError:
        return []  # told where the model is built
    given = file_arguments(cls, spec.arguments, suite.folder)
    found = []
    for argument, (path, marker) in sorted(given.items()):
        try:
            files = marker.content(path)
        except OSError:
            files = [path]
        found += [[argument, file.name, _known_digest(file)] for file in files]
    return found


def _known_digest(path: Path) -> str:
    """Return the digest of a file, read again only when it has changed; "absent" when it cannot be read."""
    try:
        status = path.stat()
        return _digest_at(path, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    except OSError:
        return "absent"


@functools.lru_cache(maxsize=1024)
def _digest_at(path: Path, *_state: int) -> str:
    """Return the digest of a file in a state of it: when it was written, its size."""
    return file_digest(path)


@functools.cache
def _package_version(module: str) -> str:
    from importlib.metadata import packages_distributions, version

    packages = packages_distributions().get(module.split(".")[0], [])
    return ",".join(f"{package}=={version(package)}" for package in sorted(packages)) or "unknown"


ANSWERS = frozenset(
    {
        "arrays",
        "assembly",
        "checkpoints",
        "contracts",
        "digests",
        "function_classes",
        "laws",
        "layers",
        "metrics",
        "models",
        "places",
        "plugins",
        "prefix_solvers",
        "prompts",
        "run/asking",
        "run/block",
        "run/failures",
        "run/left_open",
        "run/losses",
        "run/scoring",
        "scenarios",
        "scores/cells",
        "scores/looked_up",
        "seeding",
        "statistics",
        "suites/plan",
        "theory",
    }
)
"""Rooms that move a number or a status of a row of scores: the code digest covers them.

Where only some of a room's modules do, each of its modules is named, here or in `READS`.
"""

READS = frozenset(
    {
        "__init__",
        "cli",
        "compare",
        "errors",
        "executors",
        "figures",
        "files",
        "formatting",
        "machine",
        "names",
        "rendering",
        "report",
        "results",
        "run/folder",
        "run/jobs",
        "run/skill_validation",
        "run/suite_run",
        "run/validation",
        "scores/axis_scores",
        "scores/breakdown",
        "scores/changes",
        "scores/coverage",
        "scores/curves",
        "scores/metric_wording",
        "scores/narrowing",
        "scores/overview",
        "scores/points",
        "scores/prompt_rows",
        "scores/records",
        "scores/resemblance",
        "scores/rows",
        "scores/skill",
        "scores/skill_basis",
        "scores/skill_breaks",
        "scores/skill_cells",
        "scores/skill_changes",
        "scores/skill_means",
        "scores/skill_records",
        "scores/summary",
        "scores/terms",
        "shipped",
        "suites/section_reader",
        "suites/sections",
        "suites/suite",
        "suites/suite_file",
        "tables",
        "toml",
        "training",
        "version",
        "zoo",
    }
)
"""The others: they read, store, check, run or show. Settings and weights have digests of their own."""


@functools.cache
def code_digest(package: Path | None = None) -> str:
    """Return the hex digest of icl-bench's own code that draws, answers and scores, and of its version.

    `package` is the folder of the code, the installed one unless told. Every name in `ANSWERS` must be there.
    """
    parts = [__version__.encode()]
    root = package or package_root()
    for name in sorted(ANSWERS):
        folder = root / name
        for file in sorted(folder.rglob("*.py")) if folder.is_dir() else [root / f"{name}.py"]:
            parts += [file.relative_to(root).as_posix().encode(), file.read_bytes()]
    return bytes_digest(parts)
