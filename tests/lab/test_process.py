from __future__ import annotations

import asyncio
import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from studykit.clock import FixedClock
from studykit.course.cards import LabHeader
from studykit.errors import LabError
from studykit.lab.events import Curve, HeatMap, Measurement, Progress, Step, Table, Walk
from studykit.lab.process import (
    Finished,
    LabMessage,
    LabRunner,
    SeedEvent,
    SeedJudged,
    Started,
    run_lab,
)
from studykit.text import first_suspect
from tests.lab.fake_labs import NOON, FakeCourse, is_alive, run_to_end, wait_until_dead


async def test_a_run_streams_and_ends_with_its_result(
    runner: LabRunner, course: FakeCourse
) -> None:
    """Messages come in order; the result holds every seed, curve and verdict."""
    header = course.write_run(
        """
        for step in range(3):
            yield Progress(step, 3, note="training")
            yield Curve("loss", norm, [step], [size - step], y_label="nats")
        yield HeatMap("weights", ["a"], ["b", "c"], [[None, 0.5]])
        yield Table("scores", ["name", "score"], [["x", 1]])
        yield Walk("sums", ["r"], ["c"], ["sum"], [Step((0, 0), "adds", [[seed + 1]])], ["sum"])
        yield Measurement("loss", 1.5 if seed == 0 else 0.5, "nats", label="at the end")
        """
    )

    messages, result = await run_to_end(runner, header, knobs={"size": 2}, seeds=[0, 1])

    assert isinstance(messages[0], Started)
    judged = [message for message in messages if isinstance(message, SeedJudged)]
    assert judged == [
        SeedJudged(0, {"low": True, "high": True}),
        SeedJudged(1, {"low": True, "high": False}),
    ]
    events = [message.event for message in messages if isinstance(message, SeedEvent)]
    assert any(event == Progress(2, 3, "training") for event in events)
    assert (result.status, result.message) == ("done", "")
    assert result.verdicts == {"low": "confirmed", "high": "depends"}
    assert result.knobs == {"size": 2, "norm": "pre"}
    assert (result.lab, result.device, result.code_hash) == ("demo/probe", "cpu", "abc")
    assert result.started_at == NOON
    assert 0 <= result.seconds < 10
    assert result.machine
    assert "python" in result.versions
    first = result.seeds[0]
    assert first.measurements["loss"] == Measurement("loss", 1.5, "nats", "at the end")
    assert first.curves == (Curve("loss", "pre", (0, 1, 2), (2, 1, 0), "step", "nats"),)
    assert first.heat_maps == (HeatMap("weights", ("a",), ("b", "c"), ((None, 0.5),)),)
    assert first.tables == (Table("scores", ("name", "score"), (("x", 1),)),)
    steps = (Step((0, 0), "adds", ((1,),)),)
    assert first.walks == (Walk("sums", ("r",), ("c",), ("sum",), steps, ("sum",)),)


async def test_fast_events_are_joined_and_no_point_is_lost(
    runner: LabRunner, course: FakeCourse
) -> None:
    """A lab that yields 20 000 times sends few messages, and every point arrives in order."""
    header = course.write_run(
        """
        for step in range(10_000):
            yield Progress(step, 10_000)
            yield Curve("loss", "base", [step], [0.5])
        yield Measurement("loss", 0.5)
        """
    )

    messages, result = await run_to_end(runner, header)

    assert result.seeds[0].curves[0].xs == tuple(range(10_000))
    n_progress = sum(isinstance(getattr(m, "event", None), Progress) for m in messages)
    assert n_progress <= 2 + 10 * result.seconds


async def test_events_arrive_while_the_lab_computes_in_silence(
    runner: LabRunner, course: FakeCourse
) -> None:
    """What a lab yields just before a long step is shown before the step ends."""
    header = course.write_run(
        """
        yield Progress(1, 3)
        yield Progress(2, 3)
        time.sleep(60)
        """
    )

    async for message in runner.run(header, knobs={}, seeds=[0]):
        if isinstance(message, SeedEvent) and message.event == Progress(2, 3):
            runner.cancel()
        last = message

    assert isinstance(last, Finished)
    assert last.result.status == "cancelled"


MANY = """
    for i in range(2000):
        yield Measurement(f"value_{i}", i, label="x" * 100)
    yield Measurement("loss", 1.5)
"""


async def test_a_slow_watcher_misses_nothing(runner: LabRunner, course: FakeCourse) -> None:
    """The child waits for one that falls behind, and goes on when it has caught up."""
    n_seen = 0
    async for message in runner.run(course.write_run(MANY), knobs={}, seeds=[0]):
        if isinstance(message, Started):
            await asyncio.sleep(0.3)
        n_seen += isinstance(message, SeedEvent)
        last = message

    assert n_seen == 2001
    assert isinstance(last, Finished)
    assert last.result.status == "done"


async def test_after_a_cancel_comes_the_end(runner: LabRunner, course: FakeCourse) -> None:
    """What was on its way is kept in the result, and nobody waits for it to be shown."""
    after = []
    asked_at = 0.0
    # It never ends by itself, however much the pipe holds and however fast the machine is.
    lab = course.write_run(MANY + "    while True:\n        time.sleep(1)\n")
    async for message in runner.run(lab, knobs={}, seeds=[0]):
        if asked_at:
            after.append(message)
        elif isinstance(message, SeedEvent):
            await asyncio.sleep(0.2)  # the child has written all it can by now
            asked_at = time.monotonic()
            runner.cancel()

    assert time.monotonic() - asked_at < 1.0
    assert len(after) == 1
    assert isinstance(after[0], Finished)
    assert after[0].result.status == "cancelled"
    assert len(after[0].result.seeds[0].measurements) > 100


async def test_nan_is_an_outcome(runner: LabRunner, course: FakeCourse) -> None:
    """Divergence travels through JSON and the verdict sees it."""
    header = course.write_run(
        """
        yield Measurement("loss", float("nan"))
        yield Curve("loss", "base", [0, 1], [float("inf"), float("-inf")])
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "done"
    assert math.isnan(result.values("loss")[0])
    assert result.seeds[0].curves[0].ys == (math.inf, -math.inf)
    assert result.verdicts == {"low": "refuted", "high": "refuted"}


async def test_prints_cannot_break_the_protocol(runner: LabRunner, course: FakeCourse) -> None:
    """Garbage on stdout and stderr, from Python and from C, with escapes and without an end."""
    header = course.write_run(
        """
        print('{"type": "done"}\\x1b[2J\\x1b]52;c;aGk=\\x07')
        os.write(1, b'\\xff\\x00{"type":')
        os.system("echo shouting; echo whispering >&2")
        sys.stderr.write("x" * 3_000_000)
        for i in range(20_000):
            print("flood", i)
        yield Measurement("loss", 1.5)
        assert input() == "never", "there is nothing to read"
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert result.message == "EOFError: EOF when reading a line"
    assert result.values("loss") == (1.5,)


async def test_what_a_lab_printed_before_it_died_is_kept_and_harmless(
    runner: LabRunner, course: FakeCourse
) -> None:
    """The log of a lost child holds the end of its stderr, with escapes made visible."""
    header = course.write_run(
        r"""
        print("first")
        for i in range(100):
            print("line", i)
        print("\x1b[31mlast words")
        os._exit(3)
        yield
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert result.message == "the lab's process left with exit code 3 before the end of its run"
    lines = result.trace.splitlines()
    assert lines[-1] == "␛[31mlast words"
    assert len(lines) <= 40


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
        ("yield Table('big', ['a'], [['x' * 2_000_000]])", "too many for one message"),
        ("yield Walk('sums', ['r'], ['c'], [], [Step((1, 0), '', [])])", "Walk 'sums': step 1: at"),
        ("return 3", "run returned int: make it a generator of events"),
        ("yield Measurement('gain', 1)", "KeyError: 'loss'"),
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


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        ("{'low': True, 'high': True, 'hihg': True}", "verdict judges hihg: add it to CLAIMS"),
        ("{'low': True}", "verdict leaves out high: return True, False or None"),
        ("{'low': 1.0, 'high': True}", "verdict gives float for low"),
        ("None", "verdict returned NoneType: return a dict"),
    ],
)
async def test_a_wrong_verdict_is_the_authors_to_mend(
    runner: LabRunner, course: FakeCourse, verdict: str, message: str
) -> None:
    header = course.write(
        f"""
        def run(**_):
            yield Measurement("loss", 1)

        def verdict(m):
            return {verdict}
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert message in result.message


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
    ("number", "message"),
    [
        (signal.SIGKILL, "killed by the system, probably out of memory: try a smaller knob"),
        (signal.SIGSEGV, "killed by SIGSEGV (Segmentation fault)"),
        (signal.SIGTERM, "killed by SIGTERM (Terminated)"),
    ],
)
async def test_a_killed_child_is_an_outcome(
    runner: LabRunner, course: FakeCourse, number: signal.Signals, message: str
) -> None:
    """What was measured before is kept, and the next run works."""
    header = course.write_run(
        f"""
        yield Measurement("loss", 1.5)
        if size == 8 and seed == 1:
            os.kill(os.getpid(), {int(number)})
        """
    )

    _, result = await run_to_end(runner, header, seeds=[0, 1])

    assert (result.status, result.message) == ("killed", message)
    assert result.seeds[0].claims == {"low": True, "high": True}
    if number == signal.SIGSEGV:
        assert "probe.py" in result.trace
    _, again = await run_to_end(runner, header, knobs={"size": 2})
    assert again.status == "done"


HANGS = {
    "sleeps": "time.sleep(60)",
    "computes": "while True: pass",
    "holds the interpreter": "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
    "ignores SIGTERM": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)",
    "ignores SIGTERM and holds the interpreter": (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); import re; "
        "re.match('(a+)+$', 'a' * 40 + 'b')"
    ),
    "catches everything": (
        "\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    ),
}


@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS.keys())
async def test_cancel_ends_whatever_hangs(runner: LabRunner, course: FakeCourse, hang: str) -> None:
    """Cancelled at once; the complete seed and what the broken one measured are kept."""
    header = course.write_run(
        f"""
        yield Measurement("loss", 1.5 + seed)
        yield Measurement("pid", os.getpid())
        if seed == 1:
            yield Progress(1, 2, "hanging")
            {hang.replace(chr(10), chr(10) + 12 * " ")}
        """
    )
    asked_at = 0.0

    async for message in runner.run(header, knobs={}, seeds=[0, 1, 2]):
        if isinstance(message, SeedEvent) and message.event == Progress(1, 2, "hanging"):
            await asyncio.sleep(0.1)
            asked_at = time.monotonic()
            runner.cancel()
            runner.cancel()
        last = message

    assert time.monotonic() - asked_at < 1.0
    assert isinstance(last, Finished)
    result = last.result
    assert (result.status, result.message) == ("cancelled", "")
    assert [seed.claims for seed in result.seeds] == [{"low": True, "high": True}, {}]
    assert result.values("loss") == (1.5, 2.5)
    assert result.verdicts == {"low": "undecided", "high": "undecided"}
    assert wait_until_dead(int(result.values("pid")[0]))


async def test_cancel_before_the_lab_has_begun(runner: LabRunner, course: FakeCourse) -> None:
    """A lab that hangs in its import, or a child that still starts, is cancelled all the same."""
    hanging = course.write("time.sleep(60)")
    run = runner.run(hanging, knobs={}, seeds=[0])
    first = asyncio.ensure_future(anext(run))
    await asyncio.sleep(0)
    runner.cancel()

    message = await asyncio.wait_for(first, 1.0)

    assert isinstance(message, Finished)
    assert message.result.status == "cancelled"
    assert message.result.seeds == ()


async def test_cancel_while_the_child_warms_up(
    course: FakeCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that imports something slow has not read the request yet and is ended too."""
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runner = LabRunner(course.root, time_limit_s=20.0, preload=("slow_module",))
    await runner.warm()
    run = runner.run(course.write_run("yield"), knobs={}, seeds=[0])
    first = asyncio.ensure_future(anext(run))
    await asyncio.sleep(0.1)
    runner.cancel()

    message = await asyncio.wait_for(first, 1.0)

    assert isinstance(message, Finished)
    assert message.result.status == "cancelled"
    await runner.close()


async def test_seconds_do_not_count_the_start_of_the_process(
    course: FakeCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold run measures the same as a warm one."""
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.6)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runner = LabRunner(course.root, time_limit_s=20.0, preload=("slow_module",))

    _, result = await run_to_end(runner, course.write_run("yield Measurement('loss', 1)"))
    await runner.close()

    assert result.status == "done"
    assert 0 < result.seconds < 0.5


async def test_cancel_is_no_harm_when_nothing_runs(runner: LabRunner, course: FakeCourse) -> None:
    runner.cancel()

    _, result = await run_to_end(runner, course.write_run("yield Measurement('loss', 1)"))

    runner.cancel()
    assert result.status == "done"


async def test_time_limit(course: FakeCourse) -> None:
    runner = LabRunner(course.root, time_limit_s=0.6, preload=())
    header = course.write_run("yield Measurement('loss', 1)\nwhile True: pass")

    _, result = await run_to_end(runner, header)
    await runner.close()

    assert result.status == "timed out"
    assert result.message == "stopped at the time limit of 0.6 s"
    assert result.values("loss") == (1,)
    assert result.seconds < 2


async def test_leaving_the_iterator_stops_the_child(runner: LabRunner, course: FakeCourse) -> None:
    """After aclose() nothing runs any more, and another run may begin."""
    header = course.write_run("yield Measurement('loss', os.getpid())\ntime.sleep(60)")
    run = runner.run(header, knobs={}, seeds=[0])
    pid = 0
    async for message in run:
        if isinstance(message, SeedEvent) and isinstance(message.event, Measurement):
            pid = int(message.event.value)
            break

    await run.aclose()

    assert wait_until_dead(pid)
    _, result = await run_to_end(runner, course.write_run("yield Measurement('loss', 1)"))
    assert result.status == "done"


async def test_closing_the_runner_ends_the_run_and_the_spare(
    runner: LabRunner, course: FakeCourse
) -> None:
    header = course.write_run("yield Measurement('loss', os.getpid())\ntime.sleep(60)")
    messages: list[LabMessage] = []

    async def watch() -> None:
        async for message in runner.run(header, knobs={}, seeds=[0]):
            messages.append(message)

    watching = asyncio.ensure_future(watch())
    while not any(isinstance(message, SeedEvent) for message in messages):
        await asyncio.sleep(0.01)
    await runner.warm()
    await runner.close()
    await watching

    last = messages[-1]
    assert isinstance(last, Finished)
    assert last.result.status == "cancelled"
    assert wait_until_dead(int(last.result.values("loss")[0]))


async def test_one_run_at_a_time(runner: LabRunner, course: FakeCourse) -> None:
    header = course.write_run("yield Progress(0, 1)\ntime.sleep(60)")
    run = runner.run(header, knobs={}, seeds=[0])
    await anext(run)

    with pytest.raises(LabError, match="running already"):
        await anext(runner.run(header, knobs={}, seeds=[0]))

    await run.aclose()


async def test_a_warm_child_serves_one_run(runner: LabRunner, course: FakeCourse) -> None:
    """Warming twice starts one child; the run after the next has another."""
    header = course.write_run("yield Measurement('loss', os.getpid())")
    await asyncio.gather(runner.warm(), runner.warm())

    _, first = await run_to_end(runner, header)
    _, second = await run_to_end(runner, header)

    assert first.status == second.status == "done"
    assert first.values("loss") != second.values("loss")


async def test_a_spare_that_died_is_replaced(runner: LabRunner, course: FakeCourse) -> None:
    """The system may take a resting child's memory; the next run does not notice."""
    await runner.warm()
    spare = runner._spare
    assert spare is not None
    spare.kill()
    await spare.gone

    _, result = await run_to_end(runner, course.write_run("yield Measurement('loss', 1)"))

    assert result.status == "done"


GARBAGE = {
    "no JSON": (r"b'\x1b[2J\n'", "Expecting value"),
    "no event": (
        """b'{"type": "event", "seed": 0, "event": {"event": "curve"}}\\n'""",
        "not the fields of Curve",
    ),
    "wrong seed": (
        """b'{"type": "judged", "seed": 7, "claims": {}}\\n'""",
        "seed 7 was not asked for",
    ),
    "second verdict": (
        """b'{"type": "judged", "seed": 0, "claims": {}}\\n' * 2""",
        "seed 0 goes on after it was judged",
    ),
    "no such type": ("""b'{"type": "surprise"}\\n'""", "no message has the type 'surprise'"),
    "nested": ("b'[' * 100_000 + b'\\n'", "nested too deeply"),
    "early end": ("""b'{"type": "done"}\\n'""", "not every seed was judged"),
    "huge line": ("b'x' * 1_500_000", "a line of more than 1,000,000 bytes"),
    "flood": (
        """(b'{"type": "ready", "x": "' + b'x' * 900_000 + b'"}\\n') * 4""",
        "more than 3,000,000 bytes",
    ),
}


@pytest.mark.parametrize(("garbage", "why"), GARBAGE.values(), ids=GARBAGE.keys())
async def test_a_lab_that_finds_the_protocol_spoils_its_own_run_only(
    runner: LabRunner,
    course: FakeCourse,
    garbage: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Garbage on every descriptor there is: the run fails, says so and is stopped."""
    monkeypatch.setattr("studykit.lab.handle.MAX_RUN_BYTES", 3_000_000)
    header = course.write_run(
        f"""
        yield Measurement("loss", 1.5)
        for fd in range(3, 20):
            try:
                rest = {garbage}
                while rest:
                    rest = rest[os.write(fd, rest):]
            except OSError:
                pass
        time.sleep(60)
        """
    )

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert result.message.startswith("the lab's process broke its protocol: ")
    assert why in result.message
    assert first_suspect(result.message) is None
    assert result.values("loss") == (1.5,)


async def test_a_lab_that_closes_every_descriptor_fails(
    runner: LabRunner, course: FakeCourse
) -> None:
    header = course.write_run("os.closerange(3, 256)\nyield Measurement('loss', 1.5)")

    _, result = await run_to_end(runner, header)

    assert result.status == "failed"
    assert "before the end of its run" in result.message


async def test_processes_that_a_lab_started_end_with_it(
    runner: LabRunner, course: FakeCourse
) -> None:
    """Whether the run is cancelled, complete or lost."""
    header = course.write_run(
        """
        import subprocess
        yield Measurement("loss", subprocess.Popen(["sleep", "60"]).pid)
        if norm == "post":
            os._exit(5)
        if size == 8:
            time.sleep(60)
        """
    )

    _, done = await run_to_end(runner, header, knobs={"size": 2})
    _, lost = await run_to_end(runner, header, knobs={"norm": "post"})
    async for message in runner.run(header, knobs={}, seeds=[0]):
        if isinstance(message, SeedEvent):
            runner.cancel()
        last = message

    assert (done.status, lost.status) == ("done", "failed")
    assert wait_until_dead(int(done.values("loss")[0]))
    assert wait_until_dead(int(lost.values("loss")[0]))
    assert isinstance(last, Finished)
    assert wait_until_dead(int(last.result.values("loss")[0]))


async def test_a_fork_that_escapes_cannot_hold_the_run(
    runner: LabRunner, course: FakeCourse
) -> None:
    """A grandchild in a session of its own keeps the pipes open; the run ends all the same."""
    header = course.write_run(
        """
        pid = os.fork()
        if pid == 0:
            os.setsid()
            time.sleep(20)
            os._exit(0)
        time.sleep(0.1)
        yield Measurement("loss", pid)
        time.sleep(0.2)
        os._exit(5)
        """
    )

    _, result = await asyncio.wait_for(run_to_end(runner, header), 5.0)
    grandchild = int(result.values("loss")[0])

    assert is_alive(grandchild)
    os.kill(grandchild, signal.SIGKILL)
    assert result.status == "failed"
    assert "left with exit code 5" in result.message


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
    monkeypatch.setenv("PYTHONPATH", str(other))
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


async def test_no_process_can_be_started(
    runner: LabRunner, course: FakeCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warming is silent about it, the run is not."""
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    await runner.warm()

    _, result = await run_to_end(runner, course.write_run("yield"))

    assert result.status == "failed"
    assert result.message.startswith("no process can be started: ")


async def test_torch_is_warm_and_limited_to_the_threads_allowed(course: FakeCourse) -> None:
    """The spare child has torch and what the first optimizer imports; auto means the CPU here."""
    runner = LabRunner(course.root, threads=1, time_limit_s=60.0)
    header = course.write_run(
        """
        assert "torch._dynamo" in sys.modules
        import torch
        yield Measurement("loss", torch.tensor(1.5))
        yield Measurement("threads", torch.get_num_threads())
        yield Curve("loss", "base", torch.arange(2), torch.tensor([float("nan"), 1.0]))
        yield HeatMap("weights", ["a"], ["b", "c"], torch.zeros(1, 2))
        """
    )
    await runner.warm()

    messages, result = await run_to_end(runner, header, device="cpu")
    await runner.close()

    assert isinstance(messages[0], Started)
    assert (result.status, result.message) == ("done", "")
    assert result.values("threads") == (1,)
    assert "torch" in result.versions
    assert result.seeds[0].heat_maps[0].values == ((0.0, 0.0),)


def run_here(course: FakeCourse, header: LabHeader, seen: list[LabMessage]) -> str:
    result = run_lab(
        course.root,
        header,
        {},
        range(2),
        "auto",
        seen.append,
        time_limit_s=20.0,
        clock=FixedClock(NOON),
        preload=(),
    )
    return result.status


def test_run_lab_waits_for_the_result(course: FakeCourse) -> None:
    """Also in a thread, where no signal handler can be set."""
    header = course.write_run("yield Measurement('loss', 1)")
    seen: list[LabMessage] = []
    statuses = [run_here(course, header, seen)]
    thread = threading.Thread(target=lambda: statuses.append(run_here(course, header, [])))
    thread.start()
    thread.join()

    assert statuses == ["done", "done"]
    assert isinstance(seen[-1], Finished)


def test_ctrl_c_cancels_and_keeps_what_was_measured(course: FakeCourse) -> None:
    header = course.write_run(
        "yield Measurement('loss', 1)\nif seed == 1: time.sleep(60)",
    )

    def interrupt(message: LabMessage) -> None:
        if isinstance(message, SeedJudged):
            os.kill(os.getpid(), signal.SIGINT)

    result = run_lab(
        course.root, header, {}, range(2), "auto", interrupt, time_limit_s=20.0, preload=()
    )

    assert result.status == "cancelled"
    assert len(result.seeds) >= 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_caller_stops_the_child(course: FakeCourse, tmp_path: Path) -> None:
    header = course.write_run("yield Measurement('loss', os.getpid())\ntime.sleep(60)")
    pids: list[int] = []

    def fail(message: LabMessage) -> None:
        if isinstance(message, SeedEvent) and isinstance(message.event, Measurement):
            pids.append(int(message.event.value))
            raise RuntimeError("the terminal is gone")

    with pytest.raises(RuntimeError, match="terminal"):
        run_lab(course.root, header, {}, [0], "auto", fail, time_limit_s=20.0, preload=())

    assert wait_until_dead(pids[0])
