"""Ends with 1 when scores moved against the committed baseline, up or down: then the changelog must tell of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(path: str) -> int:
    """Return the exit code for a comparison that `icl-bench compare --format json` wrote."""
    comparison = json.loads(Path(path).read_text())
    moved = [cell for cell in comparison["cells"] if cell["verdict"] in ("regression", "improvement")]
    for cell in moved:
        print(f"{cell['verdict']}: {cell['model']}, {cell['scenario']} {cell['severity_label']}".rstrip())
    if moved:
        print(
            f"{len(moved)} cells moved: if meant, run `make baseline` and tell of it in changelog.d/NAME.scores.md,"
            " which becomes a line of CHANGELOG.md"
        )
    return 1 if moved else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
