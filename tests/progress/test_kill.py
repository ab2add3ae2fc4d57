"""Whatever kills the program, and whenever: no answer that it acknowledged is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.progress.builders import open_store

N_TRIALS = 100
SEED = 2026


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_a_hundred_kills_lose_no_acknowledged_answer(tmp_path: Path) -> None:
    """Answers are stored in order, without a gap; at most the last one was not acknowledged yet.

    Some kills hit the making of a new database; that, too, leaves one that works.
    """
    result = subprocess.run(
        [sys.executable, "-m", "tests.progress.kill_trials", tmp_path, str(SEED), str(N_TRIALS)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert result.returncode == 0, result.stderr
    trials = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(trials) == N_TRIALS

    kept: dict[str, list[str]] = {}
    for number, trial in enumerate(trials):
        acknowledged, stored = trial["acknowledged"], trial["stored"]
        assert stored[: len(acknowledged)] == acknowledged
        assert stored == [f"{number}-{n}" for n in range(len(stored))]
        assert len(stored) <= len(acknowledged) + 1
        assert trial["problems"] == []
        kept.setdefault(trial["folder"], []).extend(stored)

    assert any(not trial["acknowledged"] for trial in trials), "no kill came before an answer"
    for folder, names in kept.items():
        with closing(open_store(tmp_path / folder)) as store:
            assert [review.given for review in store.reviews()] == names
