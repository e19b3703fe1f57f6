"""A suite resolved: its laws, metrics, models and digests, each made at most once a process, and handed down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from icl_bench.assembly.identity import Digests, digests_of, model_digest
from icl_bench.assembly.laws import SuiteLaws
from icl_bench.assembly.model_kinds import kind_problem, model_card
from icl_bench.assembly.plugins import bound, build_metrics, build_model, load_model, metric_cards
from icl_bench.errors import PluginError, SuiteError, UsageError
from icl_bench.laws.law import PromptLaw
from icl_bench.plugins import catalogue, loading
from icl_bench.plugins.arguments import argument_problems
from icl_bench.plugins.protocols import Metric, Model
from icl_bench.suites.plan import Plan
from icl_bench.suites.suite import ModelSpec, Suite
from icl_bench.tables.metric_cards import MetricCard
from icl_bench.tables.model_cards import ModelCard


@dataclass(frozen=True, slots=True)
class SuiteModel:
    """One model of a suite, as far as it is known without building it."""

    spec: ModelSpec
    foreign: bool  # from outside icl-bench, so that its contracts are checked while it answers

    @property
    def of_catalogue(self) -> bool:
        """Whether it is what a metric's reference of its name is: default arguments, the suite's training law."""
        return not self.spec.arguments and self.spec.training is None and not self.foreign


@dataclass(frozen=True, eq=False)
class Resolved:
    """A suite as a value: names become objects here, and nowhere after it.

    All is made when it is first asked for, so that a worker makes what its jobs need and no more. A model's digest is
    taken again where it is built: what is recorded of an answer is what answered, though a file was edited meanwhile.
    """

    suite: Suite
    given: Digests | None = None  # as the command took them that sent a job here; None: they are taken here
    _built: dict[str, Model] = field(default_factory=dict, init=False, repr=False)  # by label
    _refused: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # label -> why it cannot be built
    _read: dict[str, str] = field(default_factory=dict, init=False, repr=False)  # label -> digest of what was built
    _references: dict[str, Model] = field(default_factory=dict, init=False, repr=False)  # by name

    @cached_property
    def laws(self) -> SuiteLaws:
        """The laws of its cells, and those that its models were trained under."""
        return SuiteLaws(self.suite)

    @cached_property
    def digests(self) -> Digests:
        """What tells its run from another; its plugins and files must be there."""
        return self.given or digests_of(self.suite)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Label -> metric, and after them those whose columns ratios need; SuiteError when one cannot be built."""
        return build_metrics(self.suite)

    @cached_property
    def cards(self) -> Mapping[str, MetricCard]:
        """Label -> what readers know of a metric whose declarations are sound."""
        return metric_cards(self.suite, self.metrics)

    @cached_property
    def model_cards(self) -> Mapping[str, ModelCard]:
        """Label -> what readers know of a model; none of them is built."""
        return {spec.label: model_card(self.suite, spec) for spec in self.suite.models}

    @cached_property
    def models(self) -> Mapping[str, SuiteModel]:
        """Label -> model, none of them built."""
        return {spec.label: SuiteModel(spec, catalogue.is_foreign("models", spec.use)) for spec in self.suite.models}

    def model(self, label: str) -> Model:
        """Return a model, not yet bound; PluginError, each time, when it cannot be built."""
        if label in self._refused:
            raise PluginError(self._refused[label])
        if label not in self._built:
            spec = self.models[label].spec
            self._read[label] = model_digest(self.suite, spec)
            try:
                self._built[label] = build_model(self.suite, spec)
            except UsageError as error:
                self._refused[label] = str(error)
                raise
        return self._built[label]

    def bound(self, label: str, test: PromptLaw) -> Model:
        """Return a model ready to be asked on prompts from `test`; what its `bind` raises is raised."""
        return bound(self.model(label), self.trained_under(label), test)

    def reference(self, name: str, test: PromptLaw) -> Model:
        """Return a catalogue model of default arguments, ready to be asked on prompts from `test`."""
        if name not in self._references:
            self._references[name] = load_model(name)
        return bound(self._references[name], self.laws.training(), test)

    def trained_under(self, label: str) -> PromptLaw:
        """Return the law that a model was trained under: its own, or the suite's."""
        return self.laws.training(self.models[label].spec)

    def digest(self, label: str) -> str:
        """Return the digest of a model as it was built in this process; as it was when digests were taken, before."""
        return self._read.get(label) or self.digests.models[label]

    def problems(self, plan: Plan) -> list[str]:
        """Return why what a plan asks for cannot be had, each with its file and line; builds all but the models.

        What is built need not be a metric: `icl_bench.contracts.metric_declarations` says what it lacks.
        """
        problems = list(self._model_problems())
        in_training = self.laws.training_problems()
        if in_training:  # no cell can be had without it
            return [*problems, *in_training]
        asked = {(prompt_set.scenario, prompt_set.place.severities): prompt_set for prompt_set in plan.prompt_sets}
        for prompt_set in asked.values():
            try:
                self.laws.cell(prompt_set)
            except (PluginError, SuiteError, ValueError) as error:
                problems.append(f"{self.suite.scenarios[prompt_set.scenario].where}: {error}")
        try:
            _ = self.metrics
        except SuiteError as error:
            problems.extend(error.problems)
        return list(dict.fromkeys(problems))

    def _model_problems(self) -> Iterator[str]:
        """Yield what is wrong with the models' names and arguments; each is imported, none is built."""
        for spec in self.suite.models:
            try:
                cls = loading.plugin_class("models", spec.use, self.suite.folder)
                wrong = [*argument_problems(cls, spec.arguments, self.suite.folder), *kind_problem(cls)]
            except PluginError as error:
                wrong = [str(error)]
            yield from (f"{spec.where}: model {spec.label!r}: {text}" for text in wrong)


_HERE: dict[tuple[object, ...], Resolved] = {}
"""The suite that this process is at work on, by what defines it; one, as models fill memory."""


def keep(resolved: Resolved) -> None:
    """Have jobs of a suite that run in this process find what is made of it already."""
    _HERE.clear()
    _HERE[_key(resolved.suite, resolved.digests)] = resolved


def kept(suite: Suite, digests: Digests) -> Resolved:
    """Return what this process has made of a suite so far; nothing yet where any digest is another."""
    key = _key(suite, digests)
    if key not in _HERE:
        keep(Resolved(suite, digests))
    return _HERE[key]


def _key(suite: Suite, digests: Digests) -> tuple[object, ...]:
    return (digests.question, digests.code, suite.folder, *digests.models.items())
