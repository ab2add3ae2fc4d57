"""One lab, imported and run in the child process: its needs and its seeds."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import os
import platform
import random
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Protocol, TextIO

from studykit.lab.events import MAX_PRINTED, Document, Event, Measurement, Printed, UnmetNeedError
from studykit.lab.importing import PACKAGE, Own, expose_labs
from studykit.lab.protocol import checked

MAX_TRACE_LINES = 40
MORE_PRINTED = "\n… more was printed than is kept\n"


class EventSink(Protocol):
    """Where the messages of a run go."""

    def put(self, seed: int, event: Event) -> None: ...

    def send(self, document: Document) -> None: ...


class _MissingError(Exception):
    """The machine lacks what the lab needs."""


class _RuleError(Exception):
    """The lab or the request breaks the rules; the message says what to do."""


def execute(request: Document, outbox: EventSink) -> Document:
    """Run the lab that `request` names, whatever it does, and return the last message."""
    try:
        _run(request, outbox)
    except _MissingError as error:
        return {"type": "skipped", "message": str(error), "trace": ""}
    except UnmetNeedError as error:
        # What the learner named beside the lab's own weights is not a lack of the machine.
        ending = "failed" if request["has_other_model"] else "skipped"
        return {"type": ending, "message": str(error), "trace": ""}
    except _RuleError as error:
        return {"type": "failed", "message": str(error), "trace": ""}
    except BaseException as error:
        message = _describe(error) + _where_missing(error, Path(request["root"]))
        return {"type": "failed", "message": message, "trace": _trace(error)}
    return {"type": "done"}


def _run(request: Document, outbox: EventSink) -> None:
    printed = _Prints(sys.stdout, outbox)
    with contextlib.redirect_stdout(printed):
        try:
            _run_seeds(request, outbox, printed)
        finally:
            printed.end()


class _Prints(io.TextIOBase):
    """Takes what the lab prints to the run's messages, by whole lines, and to the log as ever.

    What is printed before the first seed belongs to it.
    """

    def __init__(self, log: TextIO, outbox: EventSink) -> None:
        self._log = log
        self._outbox = outbox
        self._seed: int | None = None
        self._rest = ""
        self._n_left = MAX_PRINTED - len(MORE_PRINTED)
        self._lock = threading.RLock()  # a lab may print from several threads

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._log.write(text)
        with self._lock:
            if self._n_left > 0:
                self._rest += text[: self._n_left]
                self._n_left -= len(text)
                if self._n_left <= 0:
                    self._rest += MORE_PRINTED
                if self._seed is not None and "\n" in self._rest:
                    lines, _, self._rest = self._rest.rpartition("\n")
                    self._outbox.put(self._seed, Printed(f"{lines}\n"))
        return len(text)

    def flush(self) -> None:
        self._log.flush()

    def begin(self, seed: int) -> None:
        """From now on it is `seed` that prints."""
        with self._lock:
            self._seed = seed
            self._n_left = MAX_PRINTED - len(MORE_PRINTED)

    def end(self) -> None:
        """Send the line that the seed has not ended."""
        with self._lock:
            if self._rest and self._seed is not None:
                self._outbox.put(self._seed, Printed(self._rest))
            self._rest = ""


def _run_seeds(request: Document, outbox: EventSink, printed: _Prints) -> None:
    _check_needs(request["needs"], request["device"])
    origins = _check_models(request["models"])
    lab = _import_lab(Path(request["root"]), request["lab"], request["file"])
    if not callable(getattr(lab, "run", None)):
        raise _RuleError("the lab defines no function run: write one")
    device = _resolve_device(request["device"])
    machine, versions = describe_machine(device), _versions(device) | origins
    outbox.send({"type": "started", "device": device, "machine": machine, "versions": versions})
    settings = {**request["knobs"], "device": device}
    if request["budget"] is not None:
        settings["budget"] = request["budget"]
    for seed in request["seeds"]:
        printed.begin(seed)
        _seed_generators(seed)
        events = lab.run(**settings, seed=seed)
        if not isinstance(events, Iterable):
            raise _RuleError(f"run returned {type(events).__name__}: make it a generator of events")
        measured = set()
        for item in events:
            try:
                event = checked(item)
                outbox.put(seed, event)
            except ValueError as error:
                raise _RuleError(f"run yielded what cannot be used: {error}") from None
            if isinstance(event, Measurement):
                measured.add(event.name)
        if missing := [name for name in request["measures"] if name not in measured]:
            names = ", ".join(missing)
            raise _RuleError(f"run measured no {names}: yield it, or mend the name in HOLDS_IF")
        printed.end()
        outbox.send({"type": "measured", "seed": seed})


def _seed_generators(seed: int) -> None:
    # Runs are forks of one process: unseeded, the global generators would give each the same
    # numbers, and a lab that forgot its own would look as if all its seeds agreed.
    random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _check_needs(needs: list[str], device: str) -> None:
    if device not in ("auto", "cpu", "cuda"):
        raise _RuleError(f"there is no device {device!r}: choose auto, cpu or cuda")
    if "cuda" in needs and device == "cpu":
        raise _MissingError("needs a CUDA GPU, and the CPU was asked for")
    if ("cuda" in needs or device == "cuda") and not _has_cuda():
        raise _MissingError("needs a CUDA GPU that torch can use, and this machine has none")
    for name in needs:
        if name != "cuda" and not _is_installed(name):
            raise _MissingError(f"needs the package {name}, which is not installed")


def _check_models(models: dict[str, list[str] | None]) -> dict[str, str]:
    """Model -> what a result says of it; all of them are installed, though none is loaded."""
    origins = {}
    for name, known in models.items():
        if known is None:
            how = f"studykit models lists them; a folder is written ./{name}"
            raise _RuleError(f"there is no model {name}: {how}")
        module, origins[name] = known
        if not _is_installed(module):
            how = f"studykit models install {name}"
            raise _MissingError(f"needs the model {name}, which is not installed: {how}")
    return origins


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _has_cuda() -> bool:
    try:
        return bool(importlib.import_module("torch").cuda.is_available())
    except ImportError:
        return False


def _import_lab(root: Path, lab_id: str, file: str | None) -> ModuleType:
    name = f"{PACKAGE}.{lab_id.replace('/', '.')}"
    expose_labs(root / PACKAGE, Own(name, file) if file else None)
    return importlib.import_module(name)


def _resolve_device(device: str) -> str:
    if device == "auto":
        # A lab that does not import torch has no use for a GPU.
        return "cuda" if "torch" in sys.modules and _has_cuda() else "cpu"
    return device


def describe_machine(device: str) -> str:
    """The GPU, or the processor and how many of its cores may be used."""
    if device == "cuda":
        return str(sys.modules["torch"].cuda.get_device_name())
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    n_cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return f"{name}, {n_cores} core{'s' if n_cores > 1 else ''}"


def _versions(device: str) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    if torch := sys.modules.get("torch"):
        versions["torch"] = str(torch.__version__)
        if device == "cuda":
            versions["cuda"] = str(torch.version.cuda)
    if triton := sys.modules.get("triton"):
        versions["triton"] = str(triton.__version__)
    return versions


def _describe(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = str(error).strip().partition("\n")[0][:300]
    except Exception:
        text = ""
    if isinstance(error, SystemExit):
        return f"the lab called sys.exit({text}): let run return instead"
    if name in ("MemoryError", "OutOfMemoryError") or "can't allocate memory" in text:
        return "out of memory: try a smaller knob"
    return f"{name}: {text}" if text else name


def _where_missing(error: BaseException, root: Path) -> str:
    """What to do about a module that the lab cannot import, if it lies beside the labs."""
    name = getattr(error, "name", None)
    if not isinstance(error, ModuleNotFoundError) or not isinstance(name, str):
        return ""
    top = root / name.partition(".")[0]
    if top.name == PACKAGE or not (top.is_dir() or top.with_suffix(".py").is_file()):
        return ""
    return f": move it below {PACKAGE}/, a lab imports nothing else of its course"


def _trace(error: BaseException) -> str:
    """The end of the traceback, from the lab's own frame on."""
    where = error.__traceback__
    while where and where.tb_next and where.tb_frame.f_code.co_filename == __file__:
        where = where.tb_next
    text = "".join(traceback.TracebackException(type(error), error, where).format())
    return "\n".join(line[:500] for line in text.splitlines()[-MAX_TRACE_LINES:])
