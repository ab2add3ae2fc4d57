"""The plan line by line: what is shown, turned and typed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.settings import WEEKDAYS, ReviewSettings
from studykit.settings_file import keep_settings
from studykit.study.planning import ABOUT, PlanLine, as_toml, as_typed, plan_lines, turned, typed
from tests.study.test_exams import COURSE, DAY

USUAL = ReviewSettings()
HOLIDAY = "2026-12-24/2027-01-02"


def line(setting: str, key: str = "", review: ReviewSettings = USUAL) -> PlanLine:
    lines = plan_lines(review, COURSE, DAY)
    return next(each for each in lines if (each.setting, each.key) == (setting, key))


def turn(setting: str, key: str = "", step: int = 1, **set_to: Any) -> Any:
    review = ReviewSettings(**set_to)
    return turned(line(setting, key, review), step, review, COURSE, DAY).get(setting)


def test_every_setting_of_the_plan_has_its_lines() -> None:
    lines = plan_lines(USUAL, COURSE, DAY)
    assert {each.setting for each in lines} == set(ABOUT)
    assert [each.key for each in lines if each.setting == "retention"] == ["core", "bert"]
    assert [each.key for each in lines if each.setting == "exams"] == ["toy", "core", "bert"]
    assert [each.key for each in lines if each.setting == "easy_days"] == [*WEEKDAYS]
    assert not any(each.is_own for each in lines)


def test_what_is_set_is_told() -> None:
    review = ReviewSettings(
        retention={"core": 0.93},
        easy_days={"sat": 0.5, "sun": 0.0, "fri": 0.8},
        holidays=(
            (date(2026, 1, 1), date(2026, 1, 2)),
            (date(2026, 12, 24), date(2027, 1, 2)),
            (date(2027, 2, 1), date(2027, 2, 1)),
        ),
        exams={"toy": DAY, "bert": date(2027, 2, 1)},
        backlog_per_day=60,
        balance=False,
    )
    told = {(each.setting, each.key): each.value for each in plan_lines(review, COURSE, DAY)}
    assert told["retention", "core"] == "93 %"
    assert told["retention", "bert"] == "as all"
    assert [told["easy_days", day] for day in ("thu", "fri", "sat", "sun")] == [
        *("usual", "80 %", "half", "off")
    ]
    assert told["holidays", ""] == "24 Dec – 2 Jan 2027, 1 Feb 2027"
    assert (told["exams", "toy"], told["exams", "bert"]) == ("23 Nov (over)", "1 Feb 2027")
    assert (told["backlog_per_day", ""], told["balance", ""]) == ("60", "off")


@pytest.mark.parametrize(
    ("got", "new"),
    [
        (turn("new_per_day"), 6),
        (turn("new_per_day", step=-1, new_per_day=0), None),
        (turn("reviews_per_day", step=-1, reviews_per_day=205), 190),
        (turn("backlog_per_day"), 10),
        (turn("desired_retention"), 0.91),
        (turn("desired_retention", desired_retention=0.97), None),
        (turn("desired_retention", step=-1, desired_retention=0.705), 0.7),
        (turn("retention", "core"), {"core": 0.91}),
        (turn("retention", "core", retention={"toy": 0.8}), {"toy": 0.8, "core": 0.81}),
        (turn("balance"), False),
        (turn("easy_days", "sun", -1), {"sun": 0.5}),
        (turn("easy_days", "sun", -1, easy_days={"sun": 0.5, "sat": 0}), {"sat": 0, "sun": 0}),
        (turn("easy_days", "sun", 1, easy_days={"sun": 0.5}), {}),
        (turn("easy_days", "sun", 1), None),
        (turn("exams", "toy"), {"toy": date(2027, 1, 22)}),
        (turn("exams", "toy", -1, exams={"toy": date(2027, 1, 22)}), {"toy": date(2027, 1, 21)}),
        (turn("holidays"), None),
    ],
)  # fmt: skip
def test_turning_a_line(got: Any, new: Any) -> None:
    assert got == new


@pytest.mark.parametrize(
    ("setting", "key", "text", "new"),
    [
        ("new_per_day", "", " 12 ", 12),
        ("backlog_per_day", "", "", 0),
        ("desired_retention", "", "93", 0.93),
        ("desired_retention", "", "92,5 %", 0.925),
        ("desired_retention", "", "0.85", 0.85),
        ("retention", "core", "", {}),
        ("retention", "core", "0.8", {"core": 0.8}),
        ("easy_days", "sat", "30", {"sat": 0.3}),
        ("easy_days", "sat", "", {}),
        ("easy_days", "sat", "0", {"sat": 0.0}),
        ("holidays", "", "2026-12-24/2027-01-02,2027-02-01", [HOLIDAY, "2027-02-01"]),
        ("holidays", "", " ", []),
        ("exams", "core", "2027-02-01", {"core": date(2027, 2, 1)}),
        ("exams", "core", "", {}),
    ],
)  # fmt: skip
def test_typing_a_value(setting: str, key: str, text: str, new: Any) -> None:
    assert typed(line(setting, key), text, USUAL) == {setting: new}


@pytest.mark.parametrize(
    ("setting", "key", "text", "what"),
    [
        ("new_per_day", "", "few", "is no whole number"),
        ("new_per_day", "", "", "is no whole number"),
        ("new_per_day", "", "99999", "is no whole number"),
        ("desired_retention", "", "99", "is not from 70 to 97 %"),
        ("desired_retention", "", "much", "is no share"),
        ("easy_days", "sat", "120", "is more than 100 %"),
        ("holidays", "", "2026-12-24, soon", "^will not do: soon is no day"),
        ("holidays", "", "soon", "^is no day"),
        ("holidays", "", "2026-12-24/2026-12-01", "does not end after it begins"),
        ("exams", "core", "1 Feb", "is no day"),
        ("balance", "", "on", "is turned"),
    ],
)
def test_what_cannot_be_meant_is_refused(setting: str, key: str, text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        typed(line(setting, key), text, USUAL)


days = st.dates(date(2026, 1, 1), date(2028, 1, 1))
reviews = st.builds(
    ReviewSettings,
    new_per_day=st.integers(0, 99),
    backlog_per_day=st.integers(0, 99),
    desired_retention=st.integers(70, 97).map(lambda n: n / 100),
    retention=st.dictionaries(st.sampled_from(["core", "toy"]), st.sampled_from([0.7, 0.93])),
    easy_days=st.dictionaries(st.sampled_from(WEEKDAYS[:6]), st.sampled_from([0.0, 0.3, 0.5])),
    holidays=st.lists(days.map(lambda day: (day, day)), max_size=3).map(tuple),
    exams=st.dictionaries(st.sampled_from(["core", "toy"]), days),
)


@given(reviews, st.data())
def test_what_would_be_typed_is_what_is_set(review: ReviewSettings, data: st.DataObject) -> None:
    lines = [each for each in plan_lines(review, COURSE, DAY) if each.typed]
    chosen = data.draw(st.sampled_from(lines))
    name = chosen.setting
    kept = typed(chosen, as_typed(chosen, review), review)
    assert kept == {name: as_toml(name, getattr(review, name))}


@given(reviews, st.data())
def test_every_turn_can_be_written_and_taken_back(
    tmp_path_factory: pytest.TempPathFactory, review: ReviewSettings, data: st.DataObject
) -> None:
    path = Path(tmp_path_factory.mktemp("home")) / "settings.toml"
    written = {name: as_toml(name, getattr(review, name)) for name in ABOUT}
    before = keep_settings(path, "review", written)
    assert before.review == review
    chosen = data.draw(st.sampled_from(plan_lines(review, COURSE, DAY)))
    values = turned(chosen, data.draw(st.sampled_from([-1, 1])), review, COURSE, DAY)
    if not values:
        return
    after = keep_settings(path, "review", values)
    assert after.review != review
    back = {name: as_toml(name, getattr(review, name)) for name in values}
    assert keep_settings(path, "review", back) == before
