"""Runs of a lab as rows, and what two of them say when they stand side by side."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import LabHeader
from studykit.course.decks import load_course
from studykit.lab.results import Prediction
from studykit.study.run_history import (
    PastRun,
)
from studykit.tui.widgets.run_table import render_heading, render_pair, render_run
from tests.study.test_run_history import measured
from tests.tui.conftest import NOW
from tests.tui.screen_course import LAB_ID, build_result, write_course

NAN = math.nan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_course(tmp_path, "recall")


@pytest.fixture
def header(root: Path) -> LabHeader:
    return load_course(root).labs[LAB_ID]


def test_a_row_tells_when_with_which_knobs_what_came_out_and_what_was_said(
    root: Path, header: LabHeader
) -> None:
    card = load_course(root).cards["stacks-recall"]
    run = build_result(root, n_layers=2)

    def row(past: PastRun, width: int = 75) -> str:
        text = render_run(header, card, past, NOW, width).plain
        assert len(text) == width
        return " ".join(text.split())

    assert render_heading(75).plain.split() == ["WHEN", "ON", "KNOBS", "FOUND", "SAID"]
    said = Prediction("It holds", "stuck", correct=True)
    assert row(PastRun(run, said)) == "20 Nov 11:00 cpu n_layers 2 ✓ confirmed ✓ right"
    assert row(PastRun(replace(run, recorded=True))) == "recorded cpu n_layers 2 ✓ confirmed"
    cancelled = replace(build_result(root, n_layers=8), status="cancelled")
    assert row(PastRun(cancelled)) == "20 Nov 11:00 cpu default cancelled –"
    row(PastRun(run, said), 53)
    quick = row(PastRun(replace(build_result(root, n_layers=8), budget=0.25)))
    assert "0.25 × the training ✓ confirmed" in quick


def test_a_pair_names_its_runs_and_marks_clear_differences(root: Path, header: LabHeader) -> None:
    """Machine text is only text; the mark is not left to colour."""
    left = measured(build_result(root, n_layers=8), "loss", 2.0, 2.1)
    right = measured(build_result(root, n_layers=2), "loss", 1.0, 1.1)
    right = replace(
        right,
        machine="[b]\x1b[31m",
        code_hash="old",
        verdicts={**left.verdicts, "stuck": "refuted"},
    )
    text = render_pair(header, [PastRun(left), PastRun(right)], NOW, 78).plain
    lines = [" ".join(line.split()) for line in text.splitlines()]

    assert lines[0] == "A 20 Nov 11:00 · cpu · Intel Xeon, 2 cores · default knobs · 2 seeds"
    assert "[b]␛[31m · n_layers 2 · 2 seeds · older version of the lab" in " ".join(lines)
    assert "loss 2.050 1.050 -1.000 nats ≠" in lines
    assert "JUDGED DIFFERENTLY" in lines
    fresh = replace(left, seeds=tuple(replace(seed, seed=100 + seed.seed) for seed in left.seeds))
    assert "2 seeds from 100" in render_pair(header, [PastRun(fresh)], NOW, 78).plain
    assert any(line.startswith("✓ → ✗ Without residuals") for line in lines)
    assert "\x1b" not in text
    alone = render_pair(header, [PastRun(left)], NOW, 78).plain
    assert "≠" not in alone
    assert "loss  2.050 nats" in alone
