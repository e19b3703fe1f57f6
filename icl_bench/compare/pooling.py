"""Prompts that share a random part, when several seeds are laid below each other."""

from __future__ import annotations

from collections.abc import Sequence


def cluster_rows(rows: Sequence[int], cluster_size: int | None) -> int | None:
    """Return the prompts of one cluster after pooling seeds of `rows` prompts each; None: all share one draw.

    Where a seed is a single draw (`cluster_size` None, or more than its prompts) each of several seeds is one cluster.
    """
    if len(rows) == 1:
        return cluster_size
    return rows[0] if cluster_size is None or cluster_size > min(rows) else cluster_size


def whole_clusters(rows: int, cluster_size: int | None, n_seeds: int) -> int:
    """Return how many of a seed's prompts are kept: whole clusters, so that the next seed begins a new one."""
    if n_seeds == 1 or cluster_size is None or cluster_size > rows:
        return rows
    return rows - rows % cluster_size
