"""Context and query from two sides of a table that differ in one column (dial: tilt, identity 0)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from icl_bench.laws.dials import FINITE, Dial
from icl_bench.laws.law import PromptLaw
from icl_bench.laws.table_rows import TableRows


@dataclass(frozen=True)
class TableTilt(Dial):
    """Rows that are high in one column fall to the source, low ones to the target, the more so the larger the tilt.

    column: number of the column, from 0. Dial: the tilt, any finite number; identity 0, two halves of one law.
    `law_number` chooses another coin a row.
    """

    column: int = 0
    law_number: int = 0

    stage = "covariates"
    severities = (0.0, 1.0, 2.0)
    unshifted = 0.0
    takes = FINITE
    expected = "a finite tilt"

    def shifted(self, law: PromptLaw, severity: float) -> PromptLaw:
        """Return the law with its sides apart; ValueError unless it cuts prompts from a table."""
        if not isinstance(law.rows, TableRows):
            raise ValueError('expected rows of a table: [prompts] function_class = "table"')
        if not 0 <= self.column < law.n_dims:
            raise ValueError(f"column: expected 0 to {law.n_dims - 1}, got {self.column}")
        if law.rows.tilt != 0.0:
            raise ValueError("expected one tilt in a product: the rows have sides already, which would be lost")
        rows = replace(law.rows, column=self.column, tilt=severity, number=self.law_number)
        return replace(law, rows=rows)


SCENARIO = TableTilt
