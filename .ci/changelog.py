"""Folds the fragments of changelog.d/ into a section of CHANGELOG.md: `python .ci/changelog.py [VERSION]`.

Without a version the section is printed and nothing is written. Ends with 2, and writes nothing, when a fragment has
another name or form than changelog.d/README.md says, or when the version has a section already.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"changed": "Added and changed", "scores": "Scores"}
HEAD = "# Changelog\n"
LONGEST = 120


def fragments(folder: Path) -> list[Path]:
    """Return the fragments, by name."""
    return [path for path in sorted(folder.glob("*")) if path.name != "README.md"]


def problems(folder: Path) -> list[str]:
    """Return what is wrong with the fragments, each with its file; empty when nothing is."""
    found = []
    for path in fragments(folder):
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.name.count(".") != 2 or path.name.split(".")[1:] not in [[kind, "md"] for kind in KINDS]:
            found.append(f"{path.name}: expected a name such as knn-ties.changed.md or knn-ties.scores.md")
        if not lines or not lines[0].startswith("- "):
            found.append(f"{path.name}: expected bullets, each beginning with `- `")
        found += [
            f"{path.name}:{number}: expected `- ` or an indent of two, and at most {LONGEST} characters"
            for number, line in enumerate(lines, 1)
            if not line.startswith(("- ", "  ")) or len(line) > LONGEST
        ]
    return found


def section(folder: Path, title: str) -> str:
    """Return the section that the fragments make, with its title."""
    parts = [f"## {title}\n"]
    for kind, heading in KINDS.items():
        texts = [path.read_text(encoding="utf-8").strip() for path in fragments(folder) if f".{kind}." in path.name]
        if texts:
            parts.append("\n".join([f"### {heading}", *texts, ""]))
    return "\n".join(parts)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Print the section, or fold it into CHANGELOG.md under the version; return the exit code."""
    folder, changelog = root / "changelog.d", root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    found = problems(folder)
    if arguments and f"\n## {arguments[0]} " in text:
        found.append(f"CHANGELOG.md has a section {arguments[0]} already: expected a new version")
    if found:
        print("\n".join(found), file=sys.stderr)
        return 2
    if not arguments:
        print(section(folder, "unreleased"), end="")
        return 0
    made = section(folder, f"{arguments[0]} ({datetime.date.today().isoformat()})")
    changelog.write_text(text.replace(HEAD, f"{HEAD}\n{made}", 1), encoding="utf-8")
    for path in fragments(folder):
        path.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
