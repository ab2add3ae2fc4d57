"""The report of `history`, compared with the file beside this one, and with the summary."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from studykit.lab.results import Prediction
from studykit.progress.report import N_DAYS, N_RUNS, render_json, render_markdown
from studykit.progress.report_data import period_stats
from studykit.progress.runs import StoredRun
from studykit.progress.stats import NO_REPORT_SUMS, Retention, Tally
from tests.progress.builders import make_course, make_run
from tests.progress.history import COURSE, RUNS, SCHEDULER, TODAY, whole_summary

GOLDEN = Path(__file__).with_name("report.md")


def test_the_markdown_report_is_the_one_agreed() -> None:
    """Every number in it is checked by `test_stats`."""
    assert render_markdown(whole_summary()) == GOLDEN.read_text(encoding="utf-8")


def test_a_run_with_another_budget_says_so() -> None:
    whole = whole_summary()
    quick = replace(whole.runs[0], budget=0.25)
    assert "default knobs, 0.25 × the training" in render_markdown(replace(whole, runs=(quick,)))
    assert "× the training" not in render_markdown(whole)


def test_the_json_report_holds_the_numbers_of_the_summary() -> None:
    whole = whole_summary()
    report = json.loads(render_json(whole))

    assert report["format"] == 1
    assert report["course"] == {"id": "toy", "title": "Toy models"}
    assert (report["since"], report["today"]) == ("2026-11-20", "2026-11-23")
    assert report["total"] == {
        "reviews": 9,
        "cards": 3,
        "new": 3,
        "again": 2,
        "seconds": 90.0,
        "judged": 8,
        "right": 6,
        "elsewhere": 1,
    }
    assert report["streak_days"] == 4
    assert report["retention"] == {
        "n": 2,
        "remembered": 1,
        "share": 0.5,
        "low": whole.retention.low,
        "high": whole.retention.high,
        "graded": 1,
        "right": 0,
    }
    assert report["days"][0] == {
        "day": "2026-11-20",
        "reviews": 3,
        "new": 2,
        "again": 1,
        "seconds": 30.0,
    }
    assert report["topics"][0] == {
        "deck": "core",
        "number": "1.1",
        "title": "Why norms | matter",
        "cards": 3,
        "unseen": 1,
        "learning": 0,
        "known": 2,
        "mastery": whole.topics[0].mastery,
        "reviews": 8,
        "new": 2,
        "again": 2,
        "seconds": 80.0,
    }
    forecast = report["forecast"]
    assert (forecast["overdue"], forecast["next_7_days"], forecast["next_30_days"]) == (1, 2, 3)
    assert forecast["days"][1] == {"day": "2026-11-24", "due": 1}
    labs = report["labs"]
    assert (labs["predictions"], labs["judged"], labs["right"]) == (2, 1, 1)
    assert labs["runs"][0] == {
        "lab": "core/residuals",
        "title": "Residuals keep tokens apart",
        "at": "2026-11-22T09:00:00+01:00",
        "day": "2026-11-22",
        "status": "done",
        "device": "cpu",
        "machine": "Test CPU, 2 cores",
        "seconds": 24.0,
        "knobs": {"n_layers": 8},
        "changed_knobs": {},
        "budget": 1.0,
        "verdicts": {"stuck": "confirmed", "vanishes": "refuted"},
        "outdated": False,
        "card": "a",
        "prediction": {
            "text": "It gets stuck",
            "claim": "stuck",
            "value": None,
            "confidence": 70,
            "correct": True,
        },
        "question": "",
        "differences": [],
    }
    assert [card["card"] for card in report["hardest"]] == ["a"]


def test_an_empty_report_says_that_there_is_nothing() -> None:
    empty = period_stats(NO_REPORT_SUMS, [], make_course({}), {}, None, TODAY, SCHEDULER)
    text = render_markdown(empty)

    for line in (
        "0 reviews of 0 cards",
        "No known card came up for review.",
        "The course has no cards.",
        "No reviews in this period.",
        "No lab was run in this period.",
    ):
        assert line in text
    assert "Hardest cards" not in text
    assert json.loads(render_json(empty))["retention"]["share"] is None


@pytest.mark.parametrize(
    ("retention", "ending"),
    [
        (Retention(9, 9, 0.7, 1.0), ": too few to judge."),
        (Retention(50, 45, 0.786, 0.957), ": **90 %**, 95 % interval 79 to 96 %."),
        (
            Retention(50, 45, 0.786, 0.957, 40, 36),
            ": **90 %**, 95 % interval 79 to 96 %. Graded right: 36 of 40 answers (90 %).",
        ),
        (
            Retention(50, 45, 0.786, 0.957, 40, 12),
            ": **90 %**, 95 % interval 79 to 96 %. Graded right: 12 of 40 answers (30 %);"
            " wrong answers were rated as known.",
        ),
    ],
)
def test_retention_is_a_share_only_of_enough_reviews(retention: Retention, ending: str) -> None:
    start = f"{retention.remembered} of {retention.n} reviews of known cards were remembered"
    line = f"{start} (not rated Again){ending}\n"

    assert line in render_markdown(replace(whole_summary(), retention=retention))


def test_many_days_and_runs_are_summed_up_not_hidden() -> None:
    """The first line of the days' table adds up what is not listed; labs say what is left out."""
    days = tuple((TODAY - timedelta(days=n), Tally(2, 1, 1, 60.0)) for n in range(20)[::-1])
    runs = tuple(replace(whole_summary().runs[0], lab=f"core/lab-{n}") for n in range(N_RUNS + 3))

    text = render_markdown(replace(whole_summary(), days=days, runs=runs))

    assert f"| {20 - N_DAYS} earlier days |      12 |   6 |     6 | 6 min |" in text
    assert text.count("| 2026-11-") >= N_DAYS
    assert f"The last {N_RUNS}:" in text
    assert "core/lab-2," not in text
    assert "core/lab-3," in text


def test_text_from_outside_is_harmless_in_json() -> None:
    """Control characters are made visible; NaN and infinity are marked, as in stored runs."""
    prediction = Prediction("\x1b[2J", claim="", value=math.inf)
    runs = [StoredRun(1, make_run(knobs={"rate": math.nan}), None, prediction), *RUNS]
    text = render_json(period_stats(NO_REPORT_SUMS, runs, COURSE, {}, None, TODAY, SCHEDULER))

    assert "\x1b" not in text
    (run, *_) = json.loads(text, parse_constant=_refuse)["labs"]["runs"]
    assert run["prediction"]["text"] == "␛[2J"
    assert run["prediction"]["value"] == {"$float": "inf"}
    assert run["knobs"] == {"rate": {"$float": "nan"}}


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")
