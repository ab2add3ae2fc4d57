"""Own versions of labs: copied once, read as data, run with the course's helpers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import LabHeader
from studykit.errors import CourseError, StudykitError
from studykit.lab.process import run_lab
from studykit.lab.results import RunResult, Status
from studykit.study.bench import Bench
from studykit.study.run_history import PastRun, first_pair, past_runs
from studykit.study.services import Services
from tests.tui.coin_course import build_services
from tests.tui.conftest import NOW

TOSS = "coins/toss"
RUN = RunResult(
    lab=TOSS,
    knobs={},
    device="cpu",
    machine="",
    versions={},
    code_hash="",
    started_at=NOW,
    seconds=1.0,
    status="done",
    seeds=(),
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path)


@pytest.fixture
def bench(services: Services) -> Bench:
    return services.bench


def edit(bench: Bench, old: str, new: str) -> Path:
    path = bench.copy(TOSS)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def run(services: Services, header: LabHeader, knobs: Mapping[str, float] = {}) -> list[float]:
    """What each seed measured as the share of heads."""
    result = run_lab(
        services.course.root,
        header,
        {"mood": "calm", **knobs},
        [0, 1],
        "cpu",
        lambda _: None,
        time_limit_s=30,
        preload=(),
    )
    assert (result.status, result.message) == ("done", "")
    assert result.lab == header.id
    return list(result.values("share"))


def test_a_copy_is_made_once_and_runs_as_the_original(services: Services, bench: Bench) -> None:
    """Word for word at first; what the learner wrote is never written over."""
    original = services.course.labs[TOSS]
    path = bench.copy(TOSS)
    assert path.read_text() == original.path.read_text()
    header = bench.load(TOSS)
    assert (header.id, header.original, header.is_own) == ("mine/coins/toss", TOSS, True)
    assert replace(header, id=original.id, path=original.path) == original
    assert run(services, header) == run(services, original)

    edit(bench, "rng.random() < bias", "rng.random() < bias / 2")
    assert bench.copy(TOSS) == path
    assert "bias / 2" in path.read_text()


def test_a_version_runs_its_own_code_with_the_helpers_of_the_course(
    services: Services, bench: Bench
) -> None:
    """The original stays as it is, in the same process, too."""
    helper = services.course.root / "labs" / "coins" / "fortune.py"
    helper.write_text("LUCK = 0.25\n")
    edit(bench, "rng.random() < bias", "rng.random() < LUCK")
    edit(bench, "import random\n", "import random\nfrom labs.coins.fortune import LUCK\n")

    own = run(services, bench.load(TOSS))
    assert all(abs(share - 0.25) < 0.07 for share in own)
    assert all(abs(share - 0.5) < 0.1 for share in run(services, services.course.labs[TOSS]))
    assert not [*bench.path(TOSS).parent.rglob("__pycache__")]


def test_a_version_runs_in_a_process_that_it_spawns(services: Services, bench: Bench) -> None:
    """What is pickled by its name is found in the own version there, not in the original."""
    edit(bench, "    rng = random.Random(seed)", "    share = spawned(bias)")
    edit(bench, "heads += rng.random() < bias", "heads += share")
    edit(
        bench,
        "def run(",
        "def halve(x):\n    return x / 2\n\n\ndef spawned(x):\n"
        "    import multiprocessing\n"
        '    with multiprocessing.get_context("spawn").Pool(1) as pool:\n'
        "        return pool.map(halve, [x])[0]\n\n\ndef run(",
    )
    assert run(services, bench.load(TOSS)) == [0.25, 0.25]


def test_a_broken_version_says_where_and_breaks_no_list(services: Services, bench: Bench) -> None:
    edit(bench, "SEEDS = 2", "SEEDS = two")
    with pytest.raises(CourseError, match=r"toss\.py:21:9: must be a literal"):
        bench.load(TOSS)
    ids = [*services.course.labs]
    assert [lab.id for lab in bench.each_with_own()] == ids
    assert bench.has(TOSS)
    edit(bench, "SEEDS = two", "SEEDS = 3")
    at = ids.index(TOSS) + 1
    assert [lab.id for lab in bench.each_with_own()] == [*ids[:at], f"mine/{TOSS}", *ids[at:]]
    assert bench.each_with_own()[at].seeds == 3


def test_a_folder_that_cannot_be_written_is_told(services: Services, bench: Bench) -> None:
    services.paths.bench_dir.parent.mkdir(parents=True, exist_ok=True)
    services.paths.bench_dir.write_text("in the way")
    with pytest.raises(StudykitError, match="cannot be written"):
        bench.copy(TOSS)


def test_the_latest_run_of_a_version_stands_beside_the_original(services: Services) -> None:
    """With the same knobs, and run to its end; where there is none, beside the run before."""
    header = replace(services.course.labs[TOSS], id=f"mine/{TOSS}")

    def past(lab: str, bias: float = 0.5, status: Status = "done") -> PastRun:
        return PastRun(replace(RUN, lab=lab, knobs={"bias": bias}, status=status))

    own, other = past(header.id), past(header.id, 0.01)
    runs = [own, other, past(TOSS, status="failed"), past(TOSS, 0.01), past(TOSS)]
    assert first_pair(header, runs) == 4
    assert first_pair(header, runs[:4]) == 1
    assert first_pair(services.course.labs[TOSS], runs) == 1
    assert first_pair(header, []) == 1


def test_runs_of_the_original_follow_those_of_the_version(services: Services) -> None:
    from studykit.progress.runs import StoredRun

    header = replace(services.course.labs[TOSS], id=f"mine/{TOSS}")
    labs = (TOSS, header.id, "coins/absent")
    stored = [StoredRun(n, replace(RUN, lab=lab), None, None) for n, lab in enumerate(labs)]
    assert [run.run_id for run in past_runs(header, stored, [])] == [1, 0]
    assert [run.run_id for run in past_runs(services.course.labs[TOSS], stored, [])] == [0]
