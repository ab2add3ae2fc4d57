from __future__ import annotations

import asyncio
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
from studykit.lab.protocol import CAN_FORK
from tests.lab.fake_labs import NOON, FakeCourse, run_to_end, wait_until_dead


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
    assert [(message.seed.number, message.seed.claims) for message in judged] == [
        (0, {"low": True, "high": True}),
        (1, {"low": True, "high": False}),
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
    assert first.all(Curve) == (Curve("loss", "pre", (0, 1, 2), (2, 1, 0), "step", "nats"),)
    assert first.all(HeatMap) == (HeatMap("weights", ("a",), ("b", "c"), ((None, 0.5),)),)
    assert first.all(Table) == (Table("scores", ("name", "score"), (("x", 1),)),)
    steps = (Step((0, 0), "adds", ((1,),)),)
    assert first.all(Walk) == (Walk("sums", ("r",), ("c",), ("sum",), steps, ("sum",)),)


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


FORKS = pytest.mark.skipif(not CAN_FORK, reason="a child serves one run only")


@FORKS
async def test_a_warm_child_serves_run_after_run(
    course: FakeCourse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it imports is imported once, also when a run fails, dies or is cancelled between."""
    imports = tmp_path / "imports"
    (tmp_path / "noted.py").write_text(f"open({str(imports)!r}, 'a').write('1')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runner = LabRunner(course.root, time_limit_s=20.0, preload=("noted",))
    await asyncio.gather(runner.warm(), runner.warm())

    pids = []
    for body in ("", "1 / 0", "os.kill(os.getpid(), 9)", "time.sleep(60)", ""):
        header = course.write_run(f"yield Measurement('loss', os.getpid())\n{body}")
        async for message in runner.run(header, knobs={}, seeds=[0]):
            if body == "time.sleep(60)" and isinstance(message, SeedEvent):
                runner.cancel()
        assert isinstance(message, Finished)
        pids.append((message.result.status, *message.result.values("loss")))
    await runner.close()

    assert [status for status, _ in pids] == ["done", "failed", "killed", "cancelled", "done"]
    assert len({pid for _, pid in pids}) == 5
    assert imports.read_text() == "1"


@FORKS
async def test_nothing_of_a_run_reaches_the_next(runner: LabRunner, course: FakeCourse) -> None:
    """Neither what a lab has set, printed or imported, nor the code that it had then."""
    helper = course.root / "labs" / "demo" / "helper.py"
    header = course.write_run(
        """
        import decimal, gc, json, threading
        from labs.demo.helper import LOSS
        before = [
            os.environ.get("LEFT"), os.getcwd() == "/", gc.isenabled(), hasattr(json, "left"),
            signal.getsignal(signal.SIGTERM) == signal.SIG_IGN, threading.active_count(),
        ]
        assert before == [None, False, True, False, False, 2], before
        os.environ["LEFT"] = "1"
        os.chdir("/")
        gc.disable()
        json.left = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=time.sleep, args=(60,)).start()
        print("said by seed", seed)
        yield Measurement("loss", LOSS)
        if norm == "post":
            os._exit(3)
        """
    )
    helper.write_text("LOSS = 1.25\n")
    _, first = await run_to_end(runner, header)
    helper.write_text("LOSS = 1.125\n")
    _, second = await run_to_end(runner, header, seeds=[1], knobs={"norm": "post"})

    assert first.values("loss") == (1.25,), first.message
    assert second.values("loss") == (1.125,), second.message
    assert second.trace == "said by seed 1"


@FORKS
async def test_a_run_that_does_not_end_after_its_last_word_costs_its_child(
    runner: LabRunner, course: FakeCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studykit.lab.handle.EXIT_WITHIN_S", 0.1)
    header = course.write_run(
        """
        if size == 8:
            for fd in range(3, 20):
                try:
                    os.write(fd, b'{"type": "failed", "message": "so it says", "trace": ""}\\n')
                except OSError:
                    pass
            time.sleep(60)
        yield Measurement("loss", os.getpid())
        """
    )

    _, first = await run_to_end(runner, header)
    _, second = await run_to_end(runner, header, knobs={"size": 2})

    assert (first.status, first.message) == ("failed", "so it says")
    assert second.status == "done"


async def test_a_budget_reaches_the_labs_that_take_one(
    runner: LabRunner, course: FakeCourse
) -> None:
    header = course.write_run("yield Measurement('loss', 1.5 * budget)", takes_budget=True)

    _, ordinary = await run_to_end(runner, header)
    _, quick = await run_to_end(runner, header, budget=0.25)

    assert (ordinary.budget, ordinary.values("loss")) == (1.0, (1.5,))
    assert (quick.budget, quick.values("loss")) == (0.25, (0.375,))
    with pytest.raises(LabError, match="demo/probe takes no budget"):
        await anext(runner.run(course.write_run("yield"), knobs={}, seeds=[0], budget=4.0))


async def test_a_spare_that_died_is_replaced(runner: LabRunner, course: FakeCourse) -> None:
    """The system may take a resting child's memory; the next run does not notice."""
    await runner.warm()
    spare = runner._spare
    assert spare is not None
    spare.kill()
    await spare.gone

    _, result = await run_to_end(runner, course.write_run("yield Measurement('loss', 1)"))

    assert result.status == "done"


async def test_no_process_can_be_started(
    runner: LabRunner, course: FakeCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warming is silent about it, the run is not."""
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    await runner.warm()

    _, result = await run_to_end(runner, course.write_run("yield"))

    assert result.status == "failed"
    assert result.message.startswith("no process can be started: ")


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
