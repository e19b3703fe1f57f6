"""One trainable layer of linear self-attention, as Zhang, Frei and Bartlett (2306.09927) define and initialise it.

f(E) = E + W^PV E (E^T W^KQ E)/rho with E = [x_1 .. x_k x_q; y_1 .. y_k 0], (dim + 1, k + 1), and rho = k; the answer is
the bottom-right entry of f(E) (their section 3.2), and 0 after 0 examples.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from icl_bench.laws.law import Parameters
from icl_bench.layers.heads import MeanHead
from icl_bench.layers.learner import Learner
from icl_bench.layers.prefix_sums import prefix_sums
from icl_bench.plugins.protocols import LinearMaps
from icl_bench.prompts import PromptBatch
from icl_bench.theory.linear_learners import averaged_maps, averaged_prediction
from icl_bench.theory.tails import noise_limited_tail

Start = Literal["identity", "random"]


def starting_corner(n_dims: int, start: Start) -> Tensor:
    """Return Theta Theta^T with Frobenius norm 1, (dim, dim) (2306.09927, Assumption 3.3).

    Theta Theta^T = I/sqrt(dim) ("identity"), or Theta is Gaussian, drawn from torch's generator ("random").
    """
    theta = torch.eye(n_dims) if start == "identity" else torch.randn(n_dims, n_dims)
    square: Tensor = theta @ theta.mT
    normalised: Tensor = square / square.norm()
    return normalised


class CornerLayer(Learner):
    """The layer with W^PV = diag(0, w22^PV) and W^KQ = diag(W11^KQ, 0): x_q . A (1/k) sum y_i x_i.

    A = w22^PV (W11^KQ)^T. All other entries begin at zero in the paper's Assumption 3.3 and stay there under the
    population's gradient flow (its Lemma 5.2; appendix A.2, step three of the proof), so they are left out.
    Convergence from the start w22^PV = sigma, W11^KQ = sigma Theta Theta^T is proved for
    sigma^2 |Gamma|_op sqrt(dim) < 2.
    """

    def __init__(self, n_dims: int, sigma: float = 0.1, start: Start = "identity") -> None:
        super().__init__()
        self.head = MeanHead()
        self.value = nn.Parameter(torch.tensor(sigma))  # () w22^PV
        self.key_query = nn.Parameter(sigma * starting_corner(n_dims, start))  # (dim, dim) W11^KQ

    @property
    def matrix(self) -> Tensor:
        """A, (dim, dim), in float64; gradients flow through it."""
        return self.value.double() * self.key_query.double().mT

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, 1)."""
        return averaged_prediction(prompts, self.matrix)[..., None]

    @torch.no_grad()
    def linear_maps(self, prompts: PromptBatch) -> LinearMaps:
        """B = A X^T / k, in float64."""
        return averaged_maps(prompts, self.matrix)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """As light as the noise allows."""
        return noise_limited_tail(parameters)


class LinearSelfAttentionLayer(Learner):
    """The layer with every entry of W^PV and W^KQ, from the same start (2306.09927, Assumption 3.3).

    With w the bottom row of W^PV, e_i the columns of E and v_i = w . e_i, the answer is (1/k) (sum_i v_i e_i) . W^KQ
    e_q, where the query's own column is one of the e_i: sums over prefixes answer every context size in one pass, in
    O(dim) an example. Entries that no answer depends on (W^PV but for its bottom row, the last column of W^KQ) get a
    gradient of exactly zero. The answer is not linear in the labels, so no risk is exact.
    """

    def __init__(self, n_dims: int, sigma: float = 0.1, start: Start = "identity") -> None:
        super().__init__()
        self.head = MeanHead()
        corner = starting_corner(n_dims, start)
        self.value = nn.Parameter(sigma * pad(torch.ones(1, 1), (n_dims, 0, n_dims, 0)))  # (dim + 1, dim + 1) W^PV
        self.key_query = nn.Parameter(sigma * pad(corner, (0, 1, 0, 1)))  # (dim + 1, dim + 1) W^KQ

    def forward(self, prompts: PromptBatch) -> Tensor:
        """Return (prompt, query, 1)."""
        sizes, position = prompts.distinct_sizes()
        examples = torch.cat([prompts.context_x, prompts.context_y[..., None]], dim=-1)  # (prompt, context, dim + 1)
        queries = pad(prompts.query_x, (0, 1))  # (prompt, query, dim + 1)
        bottom = self.value[-1]  # (dim + 1,) w
        of_examples = prefix_sums((examples @ bottom)[..., None] * examples, sizes)[:, position]
        of_query = (queries @ bottom)[..., None] * queries
        asked = torch.tensor(prompts.context_sizes, dtype=queries.dtype, device=queries.device)[:, None]
        means = (of_examples + of_query * asked.clamp_max(1.0)) / asked.clamp_min(1.0)  # (prompt, query, dim + 1)
        return (means * (queries @ self.key_query.mT)).sum(-1, keepdim=True)

    def tail_index(self, parameters: Parameters, context_size: int) -> float | None:
        """Half of what the noise allows: the answer holds squares of labels."""
        tail = noise_limited_tail(parameters)
        return None if tail is None else tail / 2.0
