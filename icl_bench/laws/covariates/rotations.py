"""Random rotations, drawn for each prompt, for several in a row, or once for the law."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from icl_bench.laws.draws import Draws


def rotations(draws: Draws, n_dims: int, prompts_per_draw: int | None, number: int = 0) -> Tensor:
    """Return Haar-distributed rotations (reflections included), shape (prompt or 1, dim, dim).

    QR with the sign of R's diagonal. prompts_per_draw None: one for the law, whatever the seed; `number` tells two of
    those apart.
    """
    shape = (n_dims, n_dims)
    if prompts_per_draw is None:
        normals, count = draws.per_law("rotation", shape, number=number), 1
    else:
        normals, count = draws.per_prompt("rotation", shape, shared_by=prompts_per_draw), prompts_per_draw
    q, r = np.linalg.qr(normals[::count].numpy())
    signs = np.sign(np.einsum("pii->pi", r))
    return torch.from_numpy(np.ascontiguousarray(q * signs[:, None, :])).repeat_interleave(count, dim=0)
