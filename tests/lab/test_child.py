from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import studykit.lab
from studykit.lab.child import Outbox
from studykit.lab.events import MAX_PIECE_POINTS, Curve, HeatMap, Measurement, Progress
from studykit.lab.handle import READY
from studykit.lab.process import Finished, LabRunner, SeedEvent, Started
from studykit.lab.protocol import CAN_FORK, MAX_LINE_BYTES
from tests.lab.fake_labs import FakeCourse, is_alive, run_to_end, wait_until_dead

CHILD = [sys.executable, "-m", "studykit.lab.child"]


def test_a_lab_runs_on_a_bare_machine(course: FakeCourse, tmp_path: Path) -> None:
    """Seven files of the engine and the standard library are all that the child needs."""
    bare = tmp_path / "bare" / "studykit"
    (bare / "lab").mkdir(parents=True)
    source = Path(studykit.lab.__file__).parent
    shutil.copy(source.parent / "__init__.py", bare)
    for name in ("__init__", "child", "execute", "importing", "preload", "events", "protocol"):
        shutil.copy(source / f"{name}.py", bare / "lab")
    header = course.write_run("yield Measurement('loss', 1.5)")
    request = {
        "type": "run",
        "root": str(course.root),
        "lab": header.id,
        "file": None,
        "needs": [],
        "models": {},
        "has_other_model": False,
        "measures": ["loss"],
        "knobs": {"size": 8, "norm": "pre"},
        "budget": None,
        "seeds": [0],
        "device": "auto",
    }
    # -I and -S: neither installed packages nor the environment.
    code = "import sys; sys.path.append('.'); from studykit.lab.child import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=bare.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == {"type": "ready"}
        messages = [json.loads(line) for line in iter(child.stdout.readline, READY + b"\n")]

    assert child.returncode == 0
    types = [message["type"] for message in messages]
    assert types == ["started", "event", "measured", "done", "left"]


def test_the_child_leaves_when_nobody_asks(course: FakeCourse) -> None:
    """End of file on its stdin, before any request, is the end; a module it lacks is not."""
    done = subprocess.run(
        [*CHILD, "no_such_module"], input=b"", capture_output=True, timeout=20, check=False
    )

    assert done.returncode == 0
    assert json.loads(done.stdout) == {"type": "ready"}
    assert done.stderr == b""


@pytest.mark.parametrize(
    "hang",
    [
        "time.sleep(60)",
        "while True: pass",
        pytest.param(
            "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' prctl"),
        ),
    ],
    ids=["sleeps", "computes", "holds the interpreter"],
)
def test_no_orphan_when_the_parent_is_killed(course: FakeCourse, tmp_path: Path, hang: str) -> None:
    """SIGKILL of the parent in the middle of a run ends the lab too, and what it has started.

    Where the system tells, that is also what has left the lab's session.
    """
    header = course.write_run(
        f"""
        import subprocess
        started = [
            subprocess.Popen(["sleep", "60"], start_new_session=new).pid
            for new in (False, {CAN_FORK})
        ]
        for pid in (os.getpid(), *started):
            yield Measurement(f"pid {{pid}}", pid)
        {hang}
        """
    )
    script = f"""
        import asyncio
        from pathlib import Path
        from studykit.course.cards import LabHeader
        from studykit.lab.process import LabRunner, SeedEvent

        header = LabHeader({header.id!r}, Path(), "", "", "", (), {{}},
            {dict(header.knobs)!r}, 1, {{}})

        async def main():
            runner = LabRunner(Path({str(course.root)!r}), time_limit_s=60, preload=())
            async for message in runner.run(header, knobs={{}}, seeds=[0]):
                if isinstance(message, SeedEvent):
                    print(int(message.event.value), flush=True)

        asyncio.run(main())
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(3)]
        assert all(map(is_alive, pids))
        os.kill(parent.pid, signal.SIGKILL)

    assert all(map(wait_until_dead, pids))


def test_the_kernel_is_told_to_take_the_child_first(course: FakeCourse) -> None:
    """On Linux an out-of-memory kill hits the experiment, not the sitting."""
    if not Path("/proc/self/oom_score_adj").exists():
        pytest.skip("Linux only")
    with subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        score = Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip()
        nice = os.getpriority(os.PRIO_PROCESS, child.pid)
        child.communicate()

    assert score == "1000"
    assert nice == os.getpriority(os.PRIO_PROCESS, 0) + 5


class Sink:
    """An outbox that writes into a pipe, and what has arrived."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sent"
        self.fd = os.open(self._path, os.O_WRONLY | os.O_CREAT)
        self.outbox = Outbox(self.fd)

    @property
    def lines(self) -> list[bytes]:
        return self._path.read_bytes().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        documents = [json.loads(line) for line in self.lines]
        return [document["event"] for document in documents if document["type"] == "event"]


@pytest.fixture
def sink(tmp_path: Path) -> Any:
    made = Sink(tmp_path)
    yield made
    os.close(made.fd)


def test_the_first_of_a_name_goes_at_once_and_the_rest_is_joined(sink: Sink) -> None:
    """Each measurement of its own name is safe the moment it is yielded."""
    for value in range(5):
        sink.outbox.put(0, Measurement("loss", value))
        sink.outbox.put(0, Progress(value, 5))
    sink.outbox.put(0, Measurement("gain", 1))
    at_once = sink.events
    sink.outbox.send({"type": "measured"})

    assert [(e["event"], e.get("value")) for e in at_once] == [
        ("measurement", 0),
        ("progress", None),
        ("measurement", 1),
    ]
    assert [e.get("value", e.get("done")) for e in sink.events[3:]] == [4, 4]


def test_points_beyond_one_line_are_split(sink: Sink) -> None:
    n = 3 * MAX_PIECE_POINTS + 1
    curve = Curve("loss", "base", tuple(range(n)), tuple(i / 3 for i in range(n)))
    sink.outbox.put(0, curve)

    assert len(sink.lines) == 4
    assert max(map(len, sink.lines)) < MAX_LINE_BYTES
    assert [x for event in sink.events for x in event["xs"]] == list(range(n))


def test_the_next_seed_begins_at_once(sink: Sink) -> None:
    """What was said of a seed does not delay the next one."""
    sink.outbox.put(0, Measurement("loss", 1))
    sink.outbox.put(0, Measurement("loss", 2))
    sink.outbox.send({"type": "measured"})
    sink.outbox.put(1, Measurement("loss", 3))

    assert [event["value"] for event in sink.events] == [1, 2, 3]


def test_a_cancelled_lab_says_all_that_it_had_to_say(sink: Sink) -> None:
    sink.outbox.put(0, Measurement("loss", 1))
    sink.outbox.put(0, Measurement("loss", 2))
    sink.outbox.farewell()

    assert [event["value"] for event in sink.events] == [1, 2]
    assert json.loads(sink.lines[-1]) == {"type": "cancelled"}


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

    assert result.seeds[0].all(Curve)[0].xs == tuple(range(10_000))
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


async def test_torch_is_warm_and_limited_to_the_threads_allowed(course: FakeCourse) -> None:
    """The spare child has torch, without what only a compiler needs, and its threads sleep."""
    runner = LabRunner(course.root, threads=1, time_limit_s=60.0)
    header = course.write_run(
        """
        assert "torch" in sys.modules and "torch._dynamo" not in sys.modules
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
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
    assert result.seeds[0].all(HeatMap)[0].values == ((0.0, 0.0),)
