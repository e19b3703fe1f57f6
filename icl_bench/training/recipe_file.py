"""Parsing of recipe files: types, names and values checked all at once, every problem with its file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from icl_bench.errors import PluginError, RecipeError
from icl_bench.names import nearest
from icl_bench.plugins import loading
from icl_bench.plugins.arguments import argument_problems
from icl_bench.suites.section_reader import SectionReader
from icl_bench.suites.sections import TomlSection
from icl_bench.suites.suite import ModelSpec, PromptSettings
from icl_bench.toml import read_toml
from icl_bench.training.recipe import Component, Curriculum, Evaluation, Growth, Optimisation, Recipe
from icl_bench.training.recipe_sections import (
    ComponentSection,
    CurriculumSection,
    EvaluationSection,
    GrowthSection,
    NetworkSection,
    OptimisationSection,
    RecipePromptsSection,
    RecipeSection,
)

_TABLES: dict[str, type[TomlSection]] = {
    "recipe": RecipeSection,
    "network": NetworkSection,
    "prompts": RecipePromptsSection,
    "curriculum": CurriculumSection,
    "optimisation": OptimisationSection,
    "evaluation": EvaluationSection,
}
_NEEDED = ("recipe", "network", "prompts", "optimisation")


def load_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe file.

    Raises RecipeError with every problem in it: file:line, what was expected, what came, a near miss.
    """
    document, lines = read_toml(Path(path), "recipe", RecipeError)
    parser = _RecipeParser(Path(path), document, lines)
    recipe = parser.parse()
    if parser.problems or recipe is None:
        raise RecipeError(parser.problems)
    return recipe


class _RecipeParser(SectionReader):
    """The tables of a recipe file."""

    def parse(self) -> Recipe | None:
        """Return the recipe, or None when `problems` is not empty."""
        known = [*_TABLES, "mixture"]
        for key in self.document:
            if key not in known:
                self.problem((key,), f"unknown table{nearest(key, known)}; expected: {', '.join(known)}")
        for name in _NEEDED:
            if name not in self.document:
                self.problem((), f"the table [{name}] is missing")
        given = {name: cls for name, cls in _TABLES.items() if name in self.document or name not in _NEEDED}
        tables: dict[str, Any] = {
            name: self.section(cls, self.document.get(name, {}), (name,)) for name, cls in given.items()
        }
        if self.problems:
            return None
        prompts = self._prompts(tables["prompts"])
        mixture = self._mixture(prompts)
        self._network(tables["network"])
        curriculum = Curriculum(_growth(tables["curriculum"].n_dims), _growth(tables["curriculum"].n_context))
        self._check_curriculum(curriculum, prompts)
        if self.problems:
            return None
        return self._assembled(tables, prompts, mixture, curriculum)

    def _assembled(
        self, tables: dict[str, Any], prompts: PromptSettings, mixture: tuple[Component, ...], curriculum: Curriculum
    ) -> Recipe:
        """Return the record; every part of it was checked."""
        head, network, evaluation = tables["recipe"], tables["network"], tables["evaluation"]
        folder = self.path.resolve().parent
        return Recipe(
            name=head.name,
            version=head.version,
            description=head.description,
            folder=folder,
            network=ModelSpec(network.use, network.use, network.arguments, self.where(("network",))),
            prompts=prompts,
            mixture=mixture,
            curriculum=curriculum,
            optimisation=Optimisation(**tables["optimisation"].model_dump()),
            evaluation=Evaluation(
                evaluation.every, evaluation.n_prompts, folder / evaluation.suite if evaluation.suite else None
            ),
            licence=head.licence,
            author=head.author,
            text=self.lines.text,
            target_where=self.where(("optimisation", "target")),
        )

    def _prompts(self, section: RecipePromptsSection) -> PromptSettings:
        if "context_sizes" not in section.model_fields_set:
            self.problem(("prompts",), 'context_sizes is missing: expected "0:24" or a list')
        self.plugin("function_classes", section.function_class, ("prompts", "function_class"))
        return PromptSettings(**section.model_dump())

    def _network(self, section: NetworkSection) -> None:
        """Record what is wrong with the architecture's name or arguments."""
        try:
            cls = loading.plugin_class("models", section.use, self.path.resolve().parent)
        except PluginError as error:
            self.problem(("network", "use"), str(error))
            return
        for text in argument_problems(cls, section.arguments):
            self.problem(("network",), text)
        if not callable(getattr(cls, "build", None)):
            self.problem(("network", "use"), f"{section.use} has nothing to train: expected an architecture")

    def _mixture(self, prompts: PromptSettings) -> tuple[Component, ...]:
        sections = [(0, ComponentSection())] if "mixture" not in self.document else None
        components = []
        for index, item in sections or self.listed("mixture", ComponentSection):
            place: tuple[str | int, ...] = ("mixture", index)
            factors, point = self.factors(item.scenarios, (*place, "scenarios"))
            settings = self.override(prompts, item.prompts, (*place, "prompts"))
            if settings.n_dims != prompts.n_dims:
                self.problem((*place, "prompts"), f"n_dims: expected {prompts.n_dims} in every part of the mixture")
            where = self.where(place if "mixture" in self.document else ("prompts",))
            components.append(Component(item.weight, factors, point, settings, where))
        return tuple(components)

    def _check_curriculum(self, curriculum: Curriculum, prompts: PromptSettings) -> None:
        finals = {"n_dims": prompts.n_dims, "n_context": max(prompts.context_sizes)}
        for name, final in finals.items():
            growth: Growth | None = getattr(curriculum, name)
            if growth is not None and growth.start > final:
                self.problem(("curriculum", name), f"start: expected at most {final}, got {growth.start}")


def _growth(section: GrowthSection | None) -> Growth | None:
    return None if section is None else Growth(section.start, section.step, section.every)
