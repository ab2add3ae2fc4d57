from __future__ import annotations

import math
import os
import py_compile
import shutil
from pathlib import Path

import pytest

from studykit.lab.events import Curve
from studykit.lab.process import (
    LabRunner,
)
from studykit.text import first_suspect
from tests.lab.fake_labs import FakeCourse, run_to_end


async def test_nan_is_an_outcome(runner: LabRunner, course: FakeCourse) -> None:
    """Divergence travels through JSON; what is compared with it is unknown."""
    header = course.write_run(
        """
        yield Measurement("loss", float("nan"))
        yield Curve("loss", "base", [0, 1], [float("inf"), float("-inf")])
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "done"
    assert math.isnan(result.values("loss")[0])
    assert result.seeds[0].all(Curve)[0].ys == (math.inf, -math.inf)
    assert result.verdicts == {"low": "undecided", "high": "undecided"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('bad\\x1b[2J knob\\nmore')\nyield", "ValueError: bad␛[2J knob"),
        ("yield 1 / 0", "ZeroDivisionError: division by zero"),
        ("raise MemoryError\nyield", "out of memory: try a smaller knob"),
        ("sys.exit(4)\nyield", "the lab called sys.exit(4): let run return instead"),
        ("raise KeyboardInterrupt\nyield", "KeyboardInterrupt"),
        ("yield 'done'", "run yielded what cannot be used: a lab yields Progress"),
        ("yield Measurement('loss', 'low')", "Measurement 'loss': str where a number must be"),
        ("yield Curve('c', 'l', [1, 2], [1])", "Curve 'l': 2 xs but 1 ys"),
        ("yield Table('big', ['a'], [['x' * 10_000]] * 200)", "too many for one message"),
        ("yield Table('x' * 30_000, [], [])", "a text of 30,000 characters (at most 20,000)"),
        ("yield Table('big', ['a'], [['x' * 30_000]])", "Table 'big': a text of 30,000 characters"),
        ("yield Walk('sums', ['r'], ['c'], [], [Step((1, 0), '', [])])", "Walk 'sums': step 1: at"),
        ("return 3", "run returned int: make it a generator of events"),
        ("import nowhere\nyield", "ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
async def test_a_lab_that_fails_says_why(
    runner: LabRunner, course: FakeCourse, body: str, message: str
) -> None:
    _, result = await run_to_end(runner, course.write_run(body))

    assert result.status == "failed"
    assert message in result.message
    assert first_suspect(result.message + result.trace) is None
    assert "\n" not in result.message
    assert result.verdicts == {"low": "undecided", "high": "undecided"}


async def test_a_measurement_that_a_test_needs_must_be_made(
    runner: LabRunner, course: FakeCourse
) -> None:
    """The author is told which; a misspelt name is no claim that cannot be judged."""
    header = course.write_run("yield Measurement('lost', 1)")

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert result.message == "run measured no loss: yield it, or mend the name in HOLDS_IF"
    assert result.verdicts == {"low": "undecided", "high": "undecided"}


async def test_a_lab_that_cannot_be_imported_fails(runner: LabRunner, course: FakeCourse) -> None:
    _, result = await run_to_end(runner, course.write("def run(:\n    pass"))

    assert result.status == "failed"
    assert result.message.startswith("SyntaxError: ")
    assert "probe.py" in result.trace


async def test_the_trace_begins_in_the_lab(runner: LabRunner, course: FakeCourse) -> None:
    """A reader of the log sees the lab's lines, not the machinery's, and at most 40."""
    header = course.write(
        """
        def run(**_):
            yield even(0)

        def even(n):
            return odd(n + 1)

        def odd(n):
            return even(n + 1) if n < 90 else 1 / 0
        """
    )

    _, result = await run_to_end(runner, header)

    assert len(result.trace.splitlines()) <= 40
    assert result.trace.endswith("ZeroDivisionError: division by zero")
    assert "in odd" in result.trace

    _, short = await run_to_end(runner, course.write_run("yield 1 / 0"))

    assert "probe.py" in short.trace.splitlines()[1]


@pytest.mark.parametrize(
    ("needs", "device", "reason"),
    [
        (("no_such_package",), "auto", "needs the package no_such_package, which is not installed"),
        (("no.such.package",), "auto", "needs the package no.such.package"),
        (("cuda",), "cpu", "needs a CUDA GPU, and the CPU was asked for"),
    ],
)
async def test_a_lab_that_lacks_what_it_needs_is_skipped(
    runner: LabRunner, course: FakeCourse, needs: tuple[str, ...], device: str, reason: str
) -> None:
    """With the reason, and before its import could fail."""
    header = course.write("import no_such_package", needs=needs)

    messages, result = await run_to_end(runner, header, device=device)

    assert len(messages) == 1
    assert result.status == "skipped"
    assert reason in result.message
    assert result.verdicts == {"low": "skipped", "high": "skipped"}


async def test_an_unknown_device_fails(runner: LabRunner, course: FakeCourse) -> None:
    header = course.write_run("yield Measurement('loss', 1)")

    _, result = await run_to_end(runner, header, device="tpu")

    assert result.message == "there is no device 'tpu': choose auto, cpu or cuda"


async def test_a_lab_imports_its_own_course(
    runner: LabRunner, course: FakeCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the labs of another course on the path, nor a file of the folder the learner is in."""
    (tmp_path / "json.py").write_text("raise SystemExit('not the library')")
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    (other / "labs").mkdir(parents=True)
    (other / "labs" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", f":{other}:")  # an empty entry is the folder one is in
    (course.root / "labs" / "helpers").mkdir(parents=True)
    (course.root / "labs" / "helpers" / "losses.py").write_text("LOSS = 1.25\n")
    header = course.write_run(
        """
        from labs.helpers.losses import LOSS
        assert __name__ == "labs.demo.probe"
        yield Measurement("loss", LOSS)
        """
    )

    _, without_init = await run_to_end(runner, header)
    (course.root / "labs" / "__init__.py").write_text("")
    _, with_init = await run_to_end(runner, header)

    assert without_init.values("loss") == with_init.values("loss") == (1.25,)


async def test_what_lies_beside_the_labs_cannot_be_imported(
    runner: LabRunner, course: FakeCourse
) -> None:
    """It is not what the learner was asked about, be it called like a module of Python's."""
    header = course.write_run(
        """
        import wave
        yield Measurement("loss", float(hasattr(wave, "open")))
        import helper
        """
    )
    for name in ("wave", "helper", "labs"):
        (course.root / f"{name}.py").write_text("")

    _, result = await run_to_end(runner, header)

    assert result.values("loss") == (1.0,)
    assert result.message == (
        "ModuleNotFoundError: No module named 'helper': move it below labs/, "
        "a lab imports nothing else of its course"
    )


async def test_a_cache_of_bytecode_does_not_stand_in_for_a_source(
    runner: LabRunner, course: FakeCourse
) -> None:
    """Neither beside it nor in place of it, however well its stamp fits; and none is written."""
    header = course.write_run(
        """
        from labs.demo.helper import LOSS
        yield Measurement("loss", LOSS)
        import labs.demo.bare
        """
    )
    helper = header.path.with_name("helper.py")
    helper.write_text("LOSS = 2.50\n")
    stamp = helper.stat()
    cache = Path(py_compile.compile(str(helper), doraise=True) or "")
    shutil.copy(cache, helper.with_name("bare.pyc"))
    helper.write_text("LOSS = 1.25\n")
    os.utime(helper, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    _, result = await run_to_end(runner, header)

    assert result.values("loss") == (1.25,)
    assert result.message == "ModuleNotFoundError: No module named 'labs.demo.bare'"
    assert [*cache.parent.iterdir()] == [cache]


@pytest.mark.parametrize("how", ["fork", "spawn", "forkserver"])
async def test_a_lab_may_start_processes_of_its_own(
    runner: LabRunner, course: FakeCourse, how: str
) -> None:
    """They import the course's labs as it does."""
    header = course.write(
        f"""
        import multiprocessing
        from labs.demo.helper import LOSS

        def tell(queue):
            queue.put(LOSS)

        def run(*, size, norm, seed, device):
            context = multiprocessing.get_context({how!r})
            queue = context.SimpleQueue()
            process = context.Process(target=tell, args=(queue,))
            process.start()
            yield Measurement("loss", queue.get())
            process.join()
        """
    )
    header.path.with_name("helper.py").write_text("LOSS = 1.25\n")

    _, result = await run_to_end(runner, header)

    assert (result.status, result.message) == ("done", "")
    assert result.values("loss") == (1.25,)


async def test_a_lab_that_seeds_nothing_still_differs_by_seed(
    runner: LabRunner, course: FakeCourse
) -> None:
    """Runs are forks of one process; its generators must not make all seeds agree."""
    header = course.write_run("import random\nyield Measurement('loss', random.random())")

    _, first = await run_to_end(runner, header, seeds=[0, 1])
    _, again = await run_to_end(runner, header, seeds=[1])

    assert first.values("loss")[0] != first.values("loss")[1]
    assert again.values("loss") == first.values("loss")[1:]
