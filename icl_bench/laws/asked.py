"""Parts of laws as they are asked: what comes back is held to its form, and what is raised names part and member."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from icl_bench.errors import IclBenchError


@dataclass(frozen=True, slots=True)
class AskedMember:
    """A member of a part that is being asked, for messages."""

    part: object
    member: str

    @property
    def named(self) -> str:
        """As messages spell it: `Linear.value`."""
        return f"{type(self.part).__name__}.{self.member}"

    def shaped(self, answer: Any, expected: tuple[int, ...]) -> Tensor:
        """Return a part's answer; ValueError unless it is a floating-point tensor of the expected shape."""
        if not isinstance(answer, Tensor):
            raise ValueError(f"expected a tensor of shape {expected}, got {type(answer).__name__}")
        if tuple(answer.shape) != expected or not answer.is_floating_point():
            got = f"{tuple(answer.shape)} of {answer.dtype}"
            raise ValueError(f"expected floating-point numbers of shape {expected}, got {got}")
        return answer


@contextmanager
def asked(part: object, member: str) -> Iterator[AskedMember]:
    """Name the part and its member in whatever it raises: a note of the error, whose type stays as it is."""
    asking = AskedMember(part, member)
    try:
        yield asking
    except IclBenchError:
        raise  # on purpose, and in words of its own
    except Exception as error:
        error.add_note(asking.named)
        raise
