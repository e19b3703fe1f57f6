"""Base of priors made of one other prior."""

from __future__ import annotations

from icl_bench.laws.parts import TaskPart


class WrappedPrior(TaskPart):
    """A prior around `inner`, of whose dimension and declarations it keeps what a subclass does not change."""

    inner: TaskPart

    __slots__ = ()

    @property
    def n_dims(self) -> int:  # type: ignore[override]
        """As of the inner prior."""
        return self.inner.n_dims

    @property
    def gaussian(self) -> bool:
        """As of the inner prior."""
        return self.inner.gaussian

    @property
    def light(self) -> bool:
        """As of the inner prior."""
        return self.inner.light

    @property
    def zero_mean(self) -> bool:
        """As of the inner prior."""
        return self.inner.zero_mean
