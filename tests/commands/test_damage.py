"""Whatever is wrong with the progress, no command fails in an unexpected way, and a copy helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.damage_trials import run_trials

N_TRIALS = 16
"""The same first ones as of the five hundred that `damage_trials` is run with by hand."""
SEED = 2026


def test_damaged_databases_are_named_and_brought_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("STUDYKIT_HOME", "STUDYKIT_NOW"):
        monkeypatch.setenv(variable, "set by the trials, put back by this")
    tally = run_trials(tmp_path, N_TRIALS, SEED)
    assert tally.n_trials == N_TRIALS
    assert tally.faults == []
