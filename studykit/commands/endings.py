"""How a command line ends: an exit code, and every error as one line on stderr."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from studykit.commands.terminal import warn
from studykit.errors import StudykitError
from studykit.settings import user_paths

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

_HINTS = {
    errno.EACCES: "name a place that you may read and write",
    errno.EPERM: "name a place that you may read and write",
    errno.EROFS: "name a place that you may write",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
}
"""What to do about errors of the file system that a user can cause, whatever command they meet."""


def exit_code_of(run: Callable[[], int]) -> int:
    """The exit code of `run`, whatever it raises."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show ✓ shows ?
    try:
        code = run()
        sys.stdout.flush()
    except StudykitError as error:
        warn(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = f" ({_HINTS[error.errno]})" if error.errno in _HINTS else ""
        warn(f"{where}{error.strerror or error}{hint or _write_log(traceback.format_exc())}")
        return 1
    except Exception as error:
        warn(f"unexpected {type(error).__name__}: {error}{_write_log(traceback.format_exc())}")
        return 1
    return code


def _open_missing_streams() -> None:
    """Python has none where the caller has closed them, as ``>&-`` does: as good as /dev/null."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _write_log(trace: str) -> str:
    """Where the traceback of an unexpected error was written, or nothing if it could not be."""
    try:
        log = user_paths().data_dir / "last-error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(trace, encoding="utf-8")
    except (OSError, StudykitError):
        return ""
    return f" (traceback in {log})"
