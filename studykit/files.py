"""Files that are written whole or not at all, by one process at a time, and read if they end."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

DRAFT = ".part"
"""Ending of a file that is being written; one that stays is of a process that was killed."""
ABANDONED_AFTER_S = 3600.0
"""No draft takes longer to be finished."""


def stamp_of(path: Path) -> Hashable:
    """Differs from an earlier one if the file was changed since; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def open_regular(path: Path) -> BinaryIO:
    """`path` opened for reading; who reads it says how much, at most.

    Raises `OSError`, also for whatever is no regular file: a pipe would keep us waiting, a device
    never ends.
    """
    # Looked at before it is opened, since opening some devices sets them off, and again after.
    _require_regular(path.stat(), path)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_regular(os.fstat(handle), path)
    except BaseException:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def _require_regular(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let nobody else in who asks for `folder` too: what is read in it may be written back.

    Raises `OSError` if the folder cannot be opened or its file system knows no locks.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write `path` so that a reader finds the old content or the new, never half of it.

    Text is written as UTF-8. A file that is there keeps its permissions, a new one has those that
    the umask leaves. Raises `OSError` that names `path`, and leaves it as it was.
    """
    try:
        _replace(path, content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file of any size to; it takes the place of `path` at the end.

    If the block raises, `path` stays as it was. Raises `OSError`, also for whatever is there and is
    no regular file: nothing may take the place of a device.
    """
    with suppress(FileNotFoundError):
        status = path.lstat()
        if not stat.S_ISLNK(status.st_mode):
            _require_regular(status, path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}{DRAFT}")
    try:
        yield draft
        with draft.open("rb+") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    remove_drafts(path.parent, f".{glob.escape(path.name)}.*{DRAFT}")


def _replace(path: Path, content: bytes) -> None:
    with drafted(path) as draft, draft.open("xb") as file:
        file.write(content)


def remove_drafts(folder: Path, pattern: str) -> None:
    """Remove what killed processes have left in `folder`: drafts, and folders of drafts.

    One in use is young, and stays; so does what cannot be removed.
    """
    now = time.time()
    with suppress(OSError):
        for draft in [*folder.glob(pattern)]:
            status = draft.lstat()
            if now - status.st_mtime < ABANDONED_AFTER_S:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
