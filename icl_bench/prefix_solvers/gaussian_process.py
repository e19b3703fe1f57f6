"""The posterior of a Gaussian process after every prefix of a prompt, from one Cholesky factor.

Leading blocks of the factor L of K + S (kernel of all examples plus variances of their noise) belong to prefixes, and
so do leading rows of L^-1 k: with z = L^-1 y and v = L^-1 k(query),

    mean_k = sum_{i<k} v_i z_i        variance_k = k(query, query) - sum_{i<k} v_i^2

(Rasmussen and Williams 2006, algorithm 2.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from icl_bench.errors import NoClosedForm
from icl_bench.prompts import PromptBatch

Kernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor | None]

LEAST_PIVOT = 1e-10
"""A prompt whose Cholesky factor has a pivot below this times its largest is too near to singular to be believed."""


def process_posterior(kernel: Kernel, prompts: PromptBatch, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of f at the queries, (prompt, query) each, for a mean-zero Gaussian process.

    `kernel(x, t, x', t')` is E[f(x, t) f(x', t')] at rows x and positions t, (prompt, row, row'); a query of size k has
    position k. noise (prompt, context): variances of the labels given f. Raises NoClosedForm where the kernel matrix is
    too near to singular for double precision.
    """
    n_context = max(prompts.context_sizes)
    x, y = prompts.context_x[:, :n_context].double(), prompts.context_y[:, :n_context].double()
    sizes = torch.tensor(prompts.context_sizes, device=x.device)
    positions = torch.arange(n_context, device=x.device)
    query = prompts.query_x.double()
    own = own_kernel(kernel, query, sizes)
    if n_context == 0:
        return torch.zeros_like(own), own
    matrix = known(kernel(x, positions, x, positions)) + torch.diag_embed(noise[:, :n_context])
    factor, failed = torch.linalg.cholesky_ex(matrix)
    pivots = factor.diagonal(dim1=1, dim2=2)
    if bool(failed.any()) or bool((pivots.amin(1) < LEAST_PIVOT * pivots.amax(1)).any()):
        raise NoClosedForm("no Bayes prediction: the kernel matrix of some prompt is singular in double precision")
    cross = known(kernel(x, positions, query, sizes))  # (prompt, context, query)
    solved = torch.linalg.solve_triangular(factor, torch.cat([cross, y[:, :, None]], dim=-1), upper=False)
    seen = positions[:, None] < sizes  # (context, query)
    v, z = solved[:, :, :-1] * seen, solved[:, :, -1:]
    return (v * z).sum(1), (own - v.square().sum(1)).clamp_min(0.0)


def own_kernel(kernel: Kernel, query: Tensor, sizes: Tensor) -> Tensor:
    """Return E f(x_q)^2 at each query, (prompt, query); query (prompt, query, dim) at positions `sizes` (query,)."""
    each = [known(kernel(query[:, [j]], sizes[[j]], query[:, [j]], sizes[[j]]))[:, 0] for j in range(len(sizes))]
    return torch.cat(each, dim=1)


def known(values: Tensor | None) -> Tensor:
    """Return what a kernel gave; NoClosedForm where the function class declares none."""
    if values is None:
        raise NoClosedForm("no closed form: the function class declares no kernel")
    return values
