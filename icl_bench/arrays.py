"""Types of numpy arrays, named once; what an array's axes are is said where it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""What is computed with."""

Array32 = NDArray[np.float32]
"""Losses, as tables keep them."""

Floats = NDArray[np.floating[Any]]
"""Losses as they are kept or as they are computed with."""

Flags = NDArray[np.bool_]
"""One answer of yes or no for each element."""

Integers = NDArray[np.int64]
"""Positions, counts, numbers of groups."""
