from __future__ import annotations

import asyncio
import time

import pytest

from studykit.lab.process import (
    Finished,
    LabRunner,
    SeedEvent,
    Started,
)
from studykit.lab.protocol import CAN_FORK
from studykit.text import first_suspect
from tests.lab.fake_labs import FakeCourse, run_to_end, wait_until_dead

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


GARBAGE = {
    "no JSON": (r"b'\x1b[2J\n'", "Expecting value"),
    "no message": ("""b'{"type": "surprise"}\\n'""", "no message has the type 'surprise'"),
    "huge line": ("b'x' * 1_500_000", "a line of more than 1,000,000 bytes"),
    "flood": (
        """(b'{"type": "started", "machine": "' + b'x' * 900_000 """
        """+ b'", "device": "cpu", "versions": {}}\\n') * 4""",
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


@pytest.mark.skipif(not CAN_FORK, reason="needs Linux' subreaper")
@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(60)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); import re; "
        "re.match('(a+)+$', 'a' * 40 + 'b')",
    ],
    ids=["obeys", "holds the interpreter and ignores SIGTERM"],
)
async def test_a_cancel_reaches_what_has_left_the_session(
    runner: LabRunner, course: FakeCourse, hang: str
) -> None:
    """Also a process whose own parent is gone, and one that ignores to be asked."""
    header = course.write_run(
        f"""
        import subprocess
        command = "trap '' TERM; (setsid sleep 60 & echo $!); echo $$; exec sleep 60"
        process = subprocess.Popen(
            ["sh", "-c", command], start_new_session=True, stdout=subprocess.PIPE, text=True
        )
        yield Measurement("orphan", int(process.stdout.readline()))
        yield Measurement("loss", int(process.stdout.readline()))
        {hang}
        """
    )

    async for message in runner.run(header, knobs={}, seeds=[0]):
        if isinstance(message, SeedEvent) and message.event.key == ("Measurement", "loss"):
            await asyncio.sleep(0.1)
            runner.cancel()
        last = message

    assert isinstance(last, Finished)
    assert last.result.status == "cancelled"
    assert wait_until_dead(int(last.result.values("loss")[0]))
    assert wait_until_dead(int(last.result.values("orphan")[0]))


async def test_a_fork_that_escapes_cannot_hold_the_run(
    runner: LabRunner, course: FakeCourse
) -> None:
    """A grandchild in a session of its own keeps the pipes open; it ends with the run."""
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

    assert wait_until_dead(grandchild)
    assert result.status == "failed"
    assert "left with exit code 5" in result.message
