"""What a part declares of itself, with a default that a field of the part may replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["declaration"]

if TYPE_CHECKING:
    from builtins import property as declaration
else:

    class declaration:  # noqa: N801 - a decorator, to be read as `property` is
        """A declaration's default: a property that gives way to a field of the same name.

        A part may then be a dataclass with `variance: float`, with or without slots. A real property would refuse to be
        set, or be taken for the field's default.
        """

        def __init__(self, default: Callable[[Any], Any]) -> None:
            self.default = default
            self.__doc__ = default.__doc__

        def __get__(self, part: Any, owner: type | None = None) -> Any:
            """Return the default of a part; a class has none (AttributeError), so that a field there has none."""
            if part is None:
                raise AttributeError("a declaration is that of a part, not of its class")
            return self.default(part)
