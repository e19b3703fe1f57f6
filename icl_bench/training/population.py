"""The exact training loss of one linear self-attention layer, as a recipe and its curriculum have it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from icl_bench.errors import NoClosedForm, RecipeError
from icl_bench.laws.law import PromptLaw
from icl_bench.theory.linear_self_attention import population_loss
from icl_bench.training.batches import grown
from icl_bench.training.recipe import Recipe

Loss = Callable[[Tensor], Tensor]
"""The layer's matrix (dim, dim) -> its expected squared error to the noiseless f, ()."""


class PopulationLoss:
    """The expected loss under one law at each step: the mean over the context sizes that the step asks for.

    Raises RecipeError, with the reason, where the law or what the curriculum makes of it has none in closed form.
    """

    def __init__(self, recipe: Recipe, law: PromptLaw) -> None:
        self._recipe, self._law = recipe, law
        self._stage: tuple[PromptLaw, Loss] | None = None
        for step in (recipe.optimisation.n_steps - 1, 0):  # what grows is cut most at the first
            self.at(step)

    def at(self, step: int) -> Loss:
        """Return the loss of an optimisation step (from 0)."""
        law = grown(self._law, self._recipe, step)
        if self._stage is None or self._stage[0] != law:
            try:
                self._stage = law, mean_loss(law)
            except NoClosedForm as error:
                raise RecipeError(
                    [
                        f"{self._recipe.target_where}: optimisation.target: 'population' is not known here: {error};"
                        ' expected "label", "function" or "bayes"'
                    ]
                ) from error
        return self._stage[1]


def mean_loss(law: PromptLaw) -> Loss:
    """Return the layer's expected squared error, mean over the law's context sizes; NoClosedForm where unknown."""
    sizes = law.sizes.context_sizes
    losses = [population_loss(law, size) for size in sizes if size > 0]
    if not losses:
        raise NoClosedForm("after 0 examples every layer answers 0")

    def loss(matrix: Tensor) -> Tensor:
        total = sum((known(matrix) for known in losses[1:]), start=losses[0](matrix))
        if sizes[0] == 0:  # the answer is 0, as that of the matrix 0 after any number of examples
            total = total + losses[0](matrix.detach() * 0.0)
        return total / len(sizes)

    return loss
