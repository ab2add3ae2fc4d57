"""Courses made to break their reader, and what every command makes of them.

Run as ``python -m tests.course.hostile_courses FOLDER SEED N``: makes N courses one after another,
runs the commands on each in a process of its own, and prints what went wrong and the worst that was
measured; exit code 1 if anything did. Nothing in the courses is ever executed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.course.mini_course import MiniCourse, recorded_run

COMMANDS = (("check",), ("due",), ("lab", "list"), ("lab", "show", "core/depth"), ("report",))
MOST_MIB = 300
MOST_SECONDS = 5.0
LONGEST_LINE = 11_000
"""A message may repeat a text of 10,000 characters."""

DIGITS = "9" * 400
ODD_VALUES = (
    "", "0", "-1", "true", "null", "~", "1e308", "-1e308", "1e999", ".inf", ".nan", "5e-324",
    "20000000", "0x" + "f" * 5000, DIGITS, "9" * 5000, "1_000", "1:30", "[]", "{}", "[1, 2]",
    "{a: b}", '"\\x00"', '"\\u202e"', "'x'", '"' + "x" * 3000 + '"', "'" + "y" * 1_200_000 + "'",
    "[" * 500 + "]" * 500, "[" * 100_000, "{a: " * 60_000, "*a", "&a b", "!!python/object:os.x y",
    "(1,) * 10**9", "10**10**10", "'a' * 10**9", "-" * 50_000 + "1", "f'{1}'", "lambda: 0",
    "range(10**9)", "b'x'", "...", "1j", "float('nan')", "{**{}}", "(" * 300 + ")" * 300,
    "[" + "1, " * 60_000 + "]", "\t", "\x1b[2J", "\ud83d\ude00", "‮", "a #b",
)  # fmt: skip
JSON_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, -1e308, 5e-324, float("nan"), float("inf"), 2**63, 10**400, "", "x",
    "x" * 100_000, "\x1b]52;c;x\x07", [], {}, [[]] * 1000, {"$float": "nan"}, {"$float": []},
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", {"event": "walk"}, [None] * 10,
)  # fmt: skip


class Hostility:
    """One course below a folder, damaged by a few of the ways below, drawn by `rng`."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.rng = rng
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.course = MiniCourse(folder / "course")
        self.done: list[str] = []
        ways: list[Callable[[], str]] = [
            self.settings, self.header, self.header, self.manifest, self.deck, self.deck,
            self.results, self.results, self.stability, self.bytes_, self.too_much,
            self.special_file, self.special_file,
        ]  # fmt: skip
        # In this order, so that none reads a device. A way may find what it would change broken.
        for n in sorted(rng.sample(range(len(ways)), rng.choice((1, 1, 2, 3)))):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self.done.append(ways[n]())

    def settings(self) -> str:
        """A settings file with an odd value or none that is TOML."""
        name = self.rng.choice(
            ("new_per_day", "desired_retention", "learning_steps_minutes", "rollover_hour", "x")
        )
        table = self.rng.choice(("review", "lab", "screen", "keys", "revue"))
        value = self.rng.choice(ODD_VALUES)
        lines = [f"[{table}]", f"{name} = {value}", f"{'a.' * self.rng.choice((1, 30_000))}b = 1"]
        self.rng.shuffle(lines)
        text = "\n".join(lines[: self.rng.randint(1, 3)]) + "\n"
        (self.home / "settings.toml").write_text(text, encoding="utf-8", errors="replace")
        return f"settings {table}.{name} = {value[:20]!r}"

    def header(self) -> str:
        """A lab whose header assigns something odd."""
        return self._change_line(self.course.lab, " = ")

    def manifest(self) -> str:
        """A manifest with an odd value."""
        return self._change_line(self.course.manifest, ": ")

    def deck(self) -> str:
        """A deck with an odd value."""
        return self._change_line(self.course.deck, ": ")

    def _change_line(self, path: Path, sign: str) -> str:
        lines = path.read_text(encoding="utf-8").split("\n")
        at = self.rng.choice([n for n, line in enumerate(lines) if sign in line])
        key, _, old = lines[at].partition(sign)
        value = self.rng.choice((*ODD_VALUES, old * 1000, old + old, old[: len(old) // 2]))
        lines[at] = key + sign + value
        path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        return f"{path.name}:{at + 1} {key.strip()} {value[:20]!r}"

    def results(self) -> str:
        """Recorded runs, one value of which is odd."""
        document = {"format": 1, "lab": "core/depth", "runs": [recorded_run()]}
        where = self._put_anywhere(document)
        self.course.results.write_text(json.dumps(document), encoding="utf-8")
        return f"results {where}"

    def stability(self) -> str:
        """Fresh seeds, one value of which is odd."""
        group = {
            "knobs": {"n_layers": 8, "norm": "pre", "rate": 0.5, "tied": True},
            "budget": 1.0, "device": "cpu", "machine": "m", "versions": {}, "code_hash": "abc",
            "seeds": {"100": {"loss_without": 2.5, "loss_with": 1.5}},
        }  # fmt: skip
        document = {"format": 1, "lab": "core/depth", "groups": [group]}
        where = self._put_anywhere(document)
        path = self.course.results.with_name("depth.stability.json")
        path.write_text(json.dumps(document), encoding="utf-8")
        return f"stability {where}"

    def _put_anywhere(self, document: Any) -> str:
        inner, where = document, ""
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = self.rng.choice(keys)
            where += f".{key}"
            child = inner[key]
            if not isinstance(child, dict | list) or not child or self.rng.random() < 0.2:
                value = self.rng.choice(JSON_VALUES)
                inner[key] = value
                return f"{where} = {type(value)!s}"
            inner = child

    def special_file(self) -> str:
        """Something that is no file in the place of one, or beside it."""
        path = self.rng.choice(
            (
                self.course.manifest, self.course.deck, self.course.lab, self.course.results,
                self.course.results.with_name("depth.stability.json"),
                self.course.lab.with_name("other.py"), self.course.root / "labs" / "more.py",
                self.course.lab.with_name("__init__.py"), self.course.lab.parent,
                self.course.root / "labs", self.course.root / "data", self.course.results.parent,
                self.course.deck.with_name("2-more.yaml"), self.home / "settings.toml",
                self.home / "trusted.json", self.course.root / "labs" / "linked",
            )
        )  # fmt: skip
        what = self.rng.choice(
            ("pipe", "/dev/zero", "/dev/null", "/", "/usr", "/proc", "itself", "nowhere", "folder")
        )
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if what == "pipe":
            os.mkfifo(path)
        elif what == "folder":
            path.mkdir()
        else:
            path.symlink_to({"itself": path.name, "nowhere": "no/where"}.get(what, what))
        return f"{path.name} -> {what}"

    def too_much(self) -> str:
        """A file or a folder that holds more than it may."""
        what = self.rng.choice(("sparse", "cards", "files", "labs", "json", "deep json", "lines"))
        course = self.course
        if what == "sparse":
            path = self.rng.choice((course.manifest, course.deck, course.lab, course.results))
            os.truncate(path, 50 * 1024**3)
        elif what == "cards":
            text = course.deck.read_text(encoding="utf-8")
            head, sign, cards = text.partition("    cards:\n")
            course.deck.write_text(head + sign + cards * self.rng.choice((100, 2000)))
        elif what == "files":
            folder = course.lab.parent / "many"
            folder.mkdir()
            for n in range(21_000):
                (folder / f"{n}.txt").touch()
        elif what == "labs":
            text = course.lab.read_text(encoding="utf-8")
            for n in range(self.rng.choice((50, 1000))):
                course.lab.with_name(f"depth_{n}.py").write_text(text + "a\n" * 20_000)
        elif what == "lines":
            course.lab.write_text(course.lab.read_text() + "a\n" * 60_000)
        else:
            item = "[]," if what == "json" else "["
            course.results.write_text('{"format": 1, "runs": [' + item * 690_000)
        return f"too much: {what}"

    def bytes_(self) -> str:
        """A file in which single bytes are changed."""
        path = self.rng.choice(
            (self.course.manifest, self.course.deck, self.course.lab, self.course.results)
        )
        data = bytearray(path.read_bytes())
        for _ in range(self.rng.choice((1, 3, 30))):
            data[self.rng.randrange(len(data))] = self.rng.randrange(256)
        path.write_bytes(data)
        return f"bytes of {path.name}"


@dataclass(frozen=True)
class Trial:
    """What one command did with one course."""

    what: str
    fault: str
    """Empty if there is none."""
    seconds: float
    """Of the processor."""
    mib: float
    """At its peak, with what Python and the packages take."""


def run_command(course: Hostility, command: tuple[str, ...], folder: Path) -> Trial:
    """The command on the course, in a fork of this process."""
    out, err = folder / "out", folder / "err"
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            for fd, path in ((1, out), (2, err)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), fd)
            signal.alarm(60)
            os.environ["STUDYKIT_HOME"] = str(course.home)
            from studykit.cli import main

            code = main(["--course", str(course.course.root), *command])
            sys.stdout.flush()
        finally:
            os._exit(code)
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    seconds = used.ru_utime + used.ru_stime
    mib = used.ru_maxrss / 1024
    said = err.read_text(errors="replace")
    lines = (out.read_text(errors="replace") + said).splitlines()
    faults = [
        "" if code in (0, 1, 2) else f"exit code {code}",
        "unexpected" if re.search("^studykit: unexpected|Traceback", said, re.M) else "",
        f"{len(said.splitlines())} lines of errors" if len(said.splitlines()) > 2 else "",
        "a very long line" if any(len(line) > LONGEST_LINE for line in lines) else "",
        f"{mib:.0f} MiB" if mib > MOST_MIB else "",
        f"{seconds:.1f} s" if seconds > MOST_SECONDS else "",
    ]
    fault = ", ".join(filter(None, faults))
    if fault:
        fault += f": {said[:300]}"
    return Trial(f"{' '.join(command)}: {'; '.join(course.done)}", fault, seconds, mib)


def try_course(folder: Path, seed: int) -> list[Trial]:
    """Every command on the course that `seed` makes below the empty `folder`."""
    course = Hostility(folder, random.Random(seed))
    return [run_command(course, command, folder) for command in COMMANDS]


def warm_up() -> None:
    """Import what the commands import, once for all forks."""
    import studykit.cli
    import studykit.course.decks
    import studykit.lab.stability
    import studykit.progress.report
    import studykit.progress.store
    import studykit.review.schedule
    import studykit.study.check  # noqa: F401


def main() -> None:
    """Try N courses and print what is wrong with them."""
    folder, seed, n = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    warm_up()
    trials: list[Trial] = []
    began = time.monotonic()
    for number in range(seed, seed + n):
        own = folder / f"{number}"
        shutil.rmtree(own, ignore_errors=True)
        found = try_course(own, number)
        shutil.rmtree(own)
        for trial in found:
            if trial.fault:
                print(f"{number} {trial.what}\n    {trial.fault}", flush=True)
        trials += found
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    slowest, largest = (
        max(trials, key=lambda trial: trial.seconds),
        max(trials, key=lambda trial: trial.mib),
    )
    print(f"{n} courses, {len(trials)} commands, {sum(bool(t.fault) for t in trials)} faults")
    print(f"slowest {slowest.seconds:.2f} s: {slowest.what}")
    print(f"largest {largest.mib:.0f} MiB ({base:.0f} before): {largest.what}")
    print(f"{time.monotonic() - began:.0f} s in all")
    sys.exit(any(trial.fault for trial in trials))


if __name__ == "__main__":
    main()
