"""What pyproject.toml cannot say: a wheel holds the suites and recipes of the repository's root, inside the package.

(`package-dir` could, beside a list of every package by hand, and would turn an editable install into an import hook.)
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("suites", "recipes")


class BuildWithShippedFiles(build_py):
    """Copies `suites/*.toml` and `recipes/*.toml` to where `icl_bench.shipped` looks for them."""

    def run(self) -> None:
        """Build the package, and copy; an editable install reads the root's own files."""
        super().run()
        if self.editable_mode:
            return
        for source, target in self._copies():
            self.mkpath(str(target.parent))
            self.copy_file(str(source), str(target))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the files that building makes."""
        return [*super().get_outputs(include_bytecode), *(str(target) for _, target in self._copies())]

    def get_source_files(self) -> list[str]:
        """Return the files that a source distribution needs."""
        return [*super().get_source_files(), *(str(source) for source, _ in self._copies())]

    def _copies(self) -> list[tuple[Path, Path]]:
        into = Path(self.build_lib) / "icl_bench" / "shipped_files"
        return [(path, into / path) for kind in SHIPPED for path in sorted(Path(kind).glob("*.toml"))]


setup(cmdclass={"build_py": BuildWithShippedFiles})
