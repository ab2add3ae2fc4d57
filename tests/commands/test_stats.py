"""`studykit stats`."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from studykit.review.marks import Marking
from studykit.review.schedule import Rating
from studykit.study.definitions import DEFINITIONS
from tests.commands.dice_course import LAB, open_store, study
from tests.commands.runner import AT, Run

TOLD = """\
True retention (wanted 90 %)
           reviews  remembered  95 % interval  expected  graded right
7 days           2      50.0 %      9 to 91 %      79 %          50 %
30 days          3      33.3 %      6 to 79 %      80 %          33 %
90 days          3      33.3 %      6 to 79 %      80 %          33 %
365 days         3      33.3 %      6 to 79 %      80 %          33 %
whole log        3      33.3 %      6 to 79 %      80 %          33 %
2026-11          3      33.3 %      6 to 79 %      80 %          33 %

FSRS: expected and remembered
bin         reviews  expected  remembered  95 % interval
75 to 80 %        1    76.6 %     100.0 %    21 to 100 %
80 to 85 %        2    81.7 %       0.0 %      0 to 66 %
all               3    80.0 %      33.3 %      6 to 79 %
error: 68.0 points

Confidence: said and right
said  answers    right  95 % interval
50 %        1  100.0 %    21 to 100 %
95 %        2   50.0 %      9 to 91 %

Confidently wrong
1 card, 0 mended
not mended    topic  last on     said
dice-highest  1.1    2026-11-21  95 %

Time
a day: 4.8 s, on 5 days of the last 30
a card: 14 s and 3.5 answers so far
in all: 28 s, 7 answers
latest answers  n  median time  right
by the card's state:
new             2          4 s  100 %
learning        1          4 s  100 %
review          3          4 s   33 %
relearning      1          4 s  100 %
by its kind:
numeric         7          4 s   71 %
all             7          4 s   71 %

Maturity
cards       n  share
unseen      1   33 %
learning    0    0 %
relearning  1   33 %
young       1   33 %
mature      0    0 %
all         3  100 %
suspended, counted above: 1
median stability: 20 days

Mastery by topic
topic        cards  met  mastery
1.1 One die      3    2     33 %
all              3    2     33 %

Labs and predictions
0 of 1 lab run

What each figure means: studykit stats --define
"""


def learn(home: Path) -> None:
    """Known for three weeks, then forgotten, then known again."""
    for n_days, rating in (
        (40, Rating.EASY),
        (19, Rating.AGAIN),
        (18, Rating.GOOD),
        (0, Rating.GOOD),
    ):
        study(home, "dice-probability", AT - timedelta(days=n_days), rating)


def test_a_new_learner_has_no_figures_yet(run: Run, home: Path) -> None:
    """And asking writes nothing."""
    outcome = run("stats")
    assert (outcome.code, outcome.err) == (0, "")
    for said in (
        "no review of a known card yet",
        "no answers with a confidence yet",
        "0 cards, 0 mended",
        "nothing answered yet",
    ):
        assert said in outcome.out
    assert not home.exists()
    assert run("stats", "--json").document["time"]["answers"] == 0


def test_retention_is_told_by_period_and_by_month(run: Run, home: Path) -> None:
    learn(home)
    lines = run("stats").out.splitlines()
    assert lines[0] == "True retention (wanted 90 %)"
    rows = {line[:9].strip(): line[9:].split() for line in lines[2:9]}
    assert rows["7 days"][:3] == ["1", "100.0", "%"]
    assert rows["whole log"][:3] == ["2", "50.0", "%"]
    assert rows["2026-11"] == rows["whole log"]
    assert "week of 2026-11-02" in run("stats", "--by", "week").out
    assert "2026-11-04" in run("stats", "--by", "day").out


def test_everything_is_told_in_tables(run: Run, home: Path) -> None:
    """Of a card that is known, and of one that was thought to be, and is suspended."""
    learn(home)
    for ago, rating, confidence in (
        (timedelta(days=9), Rating.GOOD, 50),
        (timedelta(days=8, hours=22), Rating.GOOD, 95),
        (timedelta(days=2), Rating.AGAIN, 95),
    ):
        study(home, "dice-highest", AT - ago, rating, confidence)
    with closing(open_store(home)) as store:
        store.mark(Marking("dice-highest", "suspended", AT, AT.date()))
    assert run("stats").out == TOLD


def test_json_has_every_day(run: Run, home: Path) -> None:
    learn(home)
    document = run("stats", "--json").document
    retention = document["retention"]
    assert [each["begin"] for each in retention["by_day"]] == ["2026-11-04", "2026-11-23"]
    assert [each["remembered"] for each in retention["by_day"]] == [0, 1]
    assert retention["periods"][-1]["days"] is None
    assert 0 < retention["by_month"][0]["expected"] < 1
    assert document["predictions"]["n"] == 2
    assert document["maturity"] == {
        "cards": 3,
        "unseen": 2,
        "learning": 0,
        "relearning": 0,
        "young": 1,
        "mature": 0,
        "suspended": 0,
        "stability_days": document["maturity"]["stability_days"],
    }
    assert document["mastery"]["all"] == document["mastery"]["topics"][0]["mastery"] > 0.3
    assert [day["answers"] for day in document["time"]["days"]] == [1, 1, 1, 1]


def test_what_came_before_since_is_left_out(run: Run, home: Path) -> None:
    """Of the days, of calibration and of errors; the periods stay what they are."""
    learn(home)
    document = run("stats", "--json", "--since", "2026-11-10").document
    assert document["since"] == "2026-11-10"
    assert [each["begin"] for each in document["retention"]["by_month"]] == ["2026-11-01"]
    assert document["retention"]["by_month"][0]["n"] == 1
    assert document["predictions"]["n"] == 1
    assert document["retention"]["periods"][-1]["n"] == 2
    assert len(document["time"]["days"]) == 1


def test_a_day_to_come_is_refused(run: Run) -> None:
    outcome = run("stats", "--since", "2027-01-01")
    assert outcome.code == 2
    assert "--since 2027-01-01 lies ahead" in outcome.err


def test_every_figure_is_defined(run: Run) -> None:
    told = " ".join(run("stats", "--define").out.split())
    for each in DEFINITIONS.values():
        assert f"{each.figure} {each.meaning}" in told


def test_labs_tell_what_came_of_predictions(run: Run, home: Path) -> None:
    run("lab", "run", LAB, "--trust")
    document = run("stats", "--json").document
    assert (document["labs"]["labs"], document["labs"]["run"]) == (1, 1)
    assert document["labs"]["list"][0]["runs"] == 1
    assert "1 of 1 lab run" in run("stats").out
