"""Files written whole or not at all, and folders held against a second command."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from icl_bench.errors import OutputError, RunFolderError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes it only when the block ends well: synced, then renamed.

    Nothing is left of it otherwise; what the disk says is raised as it is, an OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    """Make a rename inside `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` only when the block ends well, as `whole` does.

    Raises OutputError, with what to do, when the disk refuses.
    """
    try:
        with whole(path) as temporary:
            yield temporary
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}; free space or mend the permissions of"
            f" {path.parent}, then run the same command again: finished units are kept"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a small text file whole; OutputError when the disk refuses."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Create a folder and hold it against a second command; RunFolderError when it is in use or unwritable."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise RunFolderError(f"{path} is in use by another run; wait for it, or give another --out") from error
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}; give another --out") from error
    try:
        yield
    except PermissionError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}; give another --out") from error
    finally:
        lock.release()
