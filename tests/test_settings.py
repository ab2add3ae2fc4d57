"""The settings file, its errors, and where the learner's files lie."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from studykit.errors import SettingsError
from studykit.settings import (
    HOME_VARIABLE,
    Settings,
    bundled_course_root,
    user_paths,
)
from studykit.settings_file import keep_settings, load_settings


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    """A new learner writes no settings."""
    assert load_settings(tmp_path / "settings.toml") == Settings()


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """Every key is optional."""
    assert load_settings(write(tmp_path / "settings.toml", "")) == Settings()


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    """What a file names is changed, the rest stays."""
    path = write(
        tmp_path / "settings.toml",
        "[review]\nnew_per_day = 5\ndesired_retention = 0.85\nlearning_steps_minutes = [2, 15]\n"
        "[lab]\ndevice = 'cpu'\n[screen]\nmouse = false\n[keys]\nrate-good = 'g'\n",
    )
    settings = load_settings(path)
    assert settings.review.new_per_day == 5
    assert settings.review.desired_retention == 0.85
    assert settings.review.learning_steps_minutes == (2.0, 15.0)
    assert settings.review.reviews_per_day == Settings().review.reviews_per_day
    assert settings.lab.device == "cpu"
    assert settings.screen.mouse is False
    assert settings.keys == {"rate-good": "g"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[revue]\n", r"revue: unknown table \(one of review, lab, screen, keys\)"),
        ("review = 3\n", r"review: must be a table \(write \[review\]\)"),
        ("[review]\nnew = 3\n", r"review.new: unknown setting \(one of new_per_day,"),
        ("[review]\nnew_per_day = 2.5\n", r"review.new_per_day: 2.5 is not a whole number"),
        ("[review]\nnew_per_day = true\n", r"review.new_per_day: True is not a whole number"),
        ("[review]\nnew_per_day = -1\n", r"review.new_per_day: -1 is out of range"),
        ("[review]\ndesired_retention = '90%'\n", r"desired_retention: '90%' is not a number"),
        ("[review]\ndesired_retention = 0.99\n", r"0.99 is out of range \(0.7 to 0.97\)"),
        ("[review]\ndesired_retention = nan\n", r"nan is out of range"),
        ("[review]\nrollover_hour = 24\n", r"review.rollover_hour: 24 is out of range"),
        ("[review]\nlearning_steps_minutes = [0]\n", r"a step must be shorter than a day"),
        ("[review]\nlearning_steps_minutes = ['1m']\n", r"'1m' is not a number"),
        ("[review]\nlearning_steps_minutes = 10\n", r"10 is not a list of numbers"),
        ("[screen]\nmouse = 'no'\n", r"screen.mouse: 'no' is not true or false"),
        ("[screen]\ntheme = 3\n", r"screen.theme: 3 is not text"),
        ("[keys]\nrate-good = 3\n", r"keys.rate-good: must be text"),
        ("[review\n", r"not valid TOML"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_file_key_and_remedy(
    text: str, what: str, tmp_path: Path
) -> None:
    """No wrong value is ignored, and none reaches the scheduler."""
    path = write(tmp_path / "settings.toml", text)
    with pytest.raises(SettingsError, match=what) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[lab]\ndevice = 'gpu'\n", "[lab]\nthreads = -1\n", "[lab]\ntime_limit_seconds = 0\n"]
)
def test_a_lab_setting_out_of_range_is_refused(text: str, tmp_path: Path) -> None:
    """Before a lab is started with it."""
    with pytest.raises(SettingsError, match=r"lab\."):
        load_settings(write(tmp_path / "settings.toml", text))


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are an error of the file, not of the program."""
    path = tmp_path / "settings.toml"
    path.write_bytes(b"[review]\nnew_per_day = \xff\n")
    with pytest.raises(SettingsError, match=r":2:15: byte 0xff is not UTF-8"):
        load_settings(path)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[review]\n# new_per_day = 1\n  new_per_day = -1\n", "3:3"),
        ("review.new_per_day = -1\n", "1:1"),
        ("review = {rollover_hour = 3, new_per_day = -1}\n", "1:30"),
        ('[lab]\nthreads = 1\n["review"]\n"new_per_day" = -1\n', "4:1"),
        ("[lab]\nthreads = 1\n[revue]\nx = 1\n", "3:2"),
        ("[keys]\na = 'b'\nrate-good = 3\n", "3:1"),
        ("[lab]\ndevice = 'cpu'\n\n[screen]\ndevice = 'cpu'\n", "5:1"),
        ("[lab]\nthreads = 1\nthreads = 2\n", "3:12"),
        ("[lab]\nthreads = [1,\n", "2:14"),
        ("\ufeff[lab]\n\nthreads = -1\n", "3:1"),
        ("[lab]\r\n\r\nthreads = -1\r\n", "3:1"),
    ],
)
def test_a_mistake_is_told_where_it_stands(text: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode())
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}:{place}: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[lab]\nthreads = " + "[" * 20_000, "2:11: nested too deeply"),
        ("[lab]\nthreads = " + "9" * 5000, "2:11: a number is too long"),
        ("[lab]\nthreads = 0x" + "f" * 5000, "2:1: lab.threads: a number of very many digits is"),
        ("[lab]\ntime_limit_seconds = 1e400", "2:1: lab.time_limit_seconds: inf is out of range"),
        ("[lab]\ntime_limit_seconds = " + "9" * 400, "2:1: lab.time_limit_seconds: inf is out"),
        ("[lab]\ndevice = '" + "x" * 9000 + "'", "2:1: lab.device: unknown device 'xxx"),
        ("[lab]\n" + ".".join("a" * 20_000) + " = 1", "2:1: too many dots"),
        ("[review]\nlearning_steps_minutes = [" + "1," * 5000 + "]", "2:1: .*: 5000 steps"),
        ("[lab]\n" + "x" * 9000 + " = 1", "2:1: lab.xxx"),
        ("# " + "x" * 70_000, "1:1: is too large .at most 64 KiB"),
    ],
    ids=lambda text: text[:20],
)
def test_no_value_is_too_odd_for_a_line(text: str, what: str, tmp_path: Path) -> None:
    """Neither its depth nor its length costs more than a short message."""
    with pytest.raises(SettingsError, match=what) as caught:
        load_settings(write(tmp_path / "settings.toml", text))
    assert len(str(caught.value)) < 300


PARTS = st.sampled_from(
    [
        "[review]\n", "[lab]", "[[keys]]", "[screen.", "new_per_day", "threads", ".", " = ", "{",
        "}", "'", '"', "#", "\n", "\r\n", "1e9", "0xff", "-1", "nan", "[1, ", "]", "true",
        "2026-11-23", "\\u12", "\ufeff", "'''", '"""', "time_limit_seconds = ", "rate-good", "\x00",
        "é",
    ]
)  # fmt: skip


@given(st.lists(PARTS, max_size=12).map("".join) | st.text())
@hypothesis.settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, derandomize=True
)
def test_any_text_is_settings_or_a_placed_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    lines = text.encode("utf-8", "surrogatepass").count(b"\n") + 1
    try:
        load_settings(path)
    except SettingsError as error:
        assert error.place is not None
        assert error.place.path == path
        assert 1 <= error.place.line <= lines
        assert "\n" not in str(error)


def test_a_link_that_leads_nowhere_is_not_taken_for_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.symlink_to(tmp_path / "dotfiles")
    with pytest.raises(SettingsError, match="leads nowhere"):
        load_settings(path)


@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_no_file_is_neither_waited_for_nor_read(what: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(SettingsError, match="cannot be read: not a regular file"):
        load_settings(path)


def test_a_folder_in_place_of_the_file_is_one_line(tmp_path: Path) -> None:
    """Whatever the operating system says is repeated."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path)


def test_one_variable_moves_all_of_the_learners_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress, backups and settings lie below STUDYKIT_HOME."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    paths = user_paths()
    assert paths.settings_file == tmp_path / "settings.toml"
    assert paths.database.parent == tmp_path
    assert paths.backups_dir.parent == tmp_path


def test_a_tilde_in_the_variable_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings files of services do not expand it."""
    monkeypatch.setenv(HOME_VARIABLE, "~/studies")
    assert user_paths().data_dir == Path.home() / "studies"


@pytest.mark.parametrize(
    ("variable", "what"),
    [("", "there is no home folder"), ("~nobody-is-called-so/x", "names no user's folder")],
)
def test_without_a_home_folder_it_is_said_what_to_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, what: str
) -> None:
    """A container's user number that no account has: no folder called ~ is made anywhere."""

    def unknown(_: object) -> None:
        raise KeyError

    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(HOME_VARIABLE, variable)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(SettingsError, match=f"{what}.*set STUDYKIT_HOME"):
        user_paths()


def test_a_blank_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    unset = user_paths()
    monkeypatch.setenv(HOME_VARIABLE, "  ")
    assert user_paths() == unset


def test_the_variable_does_not_depend_on_where_studykit_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else each folder would have a progress of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME_VARIABLE, "studies")
    with pytest.raises(SettingsError, match=rf"no absolute path .write {tmp_path}/studies"):
        user_paths()


def test_without_the_variable_the_platforms_folders_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Linux the XDG folders, data and configuration apart."""
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    paths = user_paths()
    assert paths.data_dir == tmp_path / "data" / "studykit"
    assert paths.settings_file == tmp_path / "config" / "studykit" / "settings.toml"


def test_a_checkout_is_its_own_course() -> None:
    """Where no course was built into the package, the folders beside it are the course."""
    assert (bundled_course_root() / "decks" / "course.yaml").is_file()


def test_the_plan_of_days_and_decks_is_read(tmp_path: Path) -> None:
    """Days bare or as text, tables inline or with a head of their own."""
    path = write(
        tmp_path / "settings.toml",
        '[review]\nholidays = ["2026-12-24/2027-01-02", "2027-02-01", 2027-03-01]\n'
        "retention = {core = 0.93, toy = 0.8}\nbacklog_per_day = 40\nbalance = false\n"
        "[review.easy_days]\nsat = 0.5\nsun = 0\n"
        "[review.exams]\ncore = 2027-06-01\ntoy = '2027-07-01'\n",
    )
    review = load_settings(path).review
    assert review.holidays == (
        (date(2026, 12, 24), date(2027, 1, 2)),
        (date(2027, 2, 1), date(2027, 2, 1)),
        (date(2027, 3, 1), date(2027, 3, 1)),
    )
    assert review.retention == {"core": 0.93, "toy": 0.8}
    assert review.easy_days == {"sat": 0.5, "sun": 0.0}
    assert review.exams == {"core": date(2027, 6, 1), "toy": date(2027, 7, 1)}
    assert (review.backlog_per_day, review.balance) == (40, False)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("retention = {core = 0.99}", r":2:14: review.retention.core: 0.99 is out of range"),
        ("[review.retention]\ncore = 'a'", r":3:1: review.retention.core: 'a' is not a number"),
        ("retention = 0.9", r"review.retention: 0.9 is not a table of numbers"),
        ("easy_days = {sunday = 0}", r"review.easy_days.sunday: no weekday \(one of mon, tue,"),
        ("easy_days = {sun = 2}", r"review.easy_days.sun: 2.0 is out of range \(0 to 1\)"),
        (
            "easy_days = {mon=0, tue=0, wed=0, thu=0, fri=0, sat=0, sun=0}",
            r"every day is a day off \(leave one above 0\)",
        ),
        ("holidays = ['2026-12-24/2026-12-20']", r"does not end after it begins"),
        ("holidays = ['Christmas']", r"'Christmas' is no day and no period \(like 2026-12-24/2"),
        ("holidays = ['2026-01-01/2028-01-01']", r"is longer than 366 days"),
        ("holidays = ['2026-01-01/2026-01-02/2026-01-03']", r"is no period"),
        ("holidays = [7]", r"review.holidays: 7 is no day"),
        ("holidays = 7", r"review.holidays: 7 is not a list of days"),
        ("exams = {core = 'soon'}", r"review.exams.core: 'soon' is no day \(like 2027-02-01\)"),
        ("exams = {core = 2027-02-01T10:00:00}", r"review.exams.core: .* is no day"),
        ("exams = '2027-02-01'", r"review.exams: '2027-02-01' is not a table of days"),
        ("backlog_per_day = -1", r"review.backlog_per_day: -1 is out of range"),
    ],
)
def test_a_wrong_plan_is_one_line(text: str, what: str, tmp_path: Path) -> None:
    """With its place where that can be found, as for any other setting."""
    with pytest.raises(SettingsError, match=what) as caught:
        load_settings(write(tmp_path / "settings.toml", f"[review]\n{text}\n"))
    assert "\n" not in str(caught.value)


# --- written by the program ---

THEME = {"theme": "nord"}
DAYS = {"easy_days": {"sat": 0.5}}


@pytest.mark.parametrize(
    ("before", "table", "values", "after"),
    [
        ("", "screen", THEME, '[screen]\ntheme = "nord"\n'),
        (
            "[review]\nnew_per_day = 5",
            "screen",
            THEME,
            '[review]\nnew_per_day = 5\n\n[screen]\ntheme = "nord"\n',
        ),
        (
            "# mine\n[screen] # x\nmouse = false\n\n[keys]\nlab = 'l'\n",
            "screen",
            THEME,
            "# mine\n[screen] # x\nmouse = false\ntheme = \"nord\"\n\n[keys]\nlab = 'l'\n",
        ),
        (
            "[screen]\n  theme = 'x'   # why\nmouse=true",
            "screen",
            THEME,
            '[screen]\n  theme = "nord"   # why\nmouse=true',
        ),
        ("screen = {theme = 'a'}\n", "screen", THEME, 'screen = {theme = "nord"}\n'),
        ("screen.theme = 'a'\n", "screen", THEME, 'screen.theme = "nord"\n'),
        ("", "review", DAYS, "[review]\neasy_days = {sat = 0.5}\n"),
        (
            "[review.easy_days]\nsat = 1 # full\nsun = 0 # off\n[lab]\nthreads = 1\n",
            "review",
            DAYS,
            "[review.easy_days]\nsat = 0.5 # full\n[lab]\nthreads = 1\n",
        ),
        ("[review]\neasy_days = {sun = 0}\n", "review", {"easy_days": {}}, "[review]\n"),
        ("", "review", {"easy_days": {}, "holidays": []}, ""),
        (
            "",
            "review",
            {"exams": {"core": date(2027, 2, 1)}, "holidays": ["2026-12-24"]},
            '[review]\nexams = {core = 2027-02-01}\nholidays = ["2026-12-24"]\n',
        ),
    ],
)
def test_a_setting_is_put_in_and_the_rest_of_the_file_stays(
    tmp_path: Path, before: str, table: str, values: dict[str, Any], after: str
) -> None:
    """Comments and all."""
    file = tmp_path / "config" / "settings.toml"
    if before:
        file.parent.mkdir()
        file.write_text(before)
    settings = keep_settings(file, table, values)
    assert file.read_text() == after
    assert settings == load_settings(file)


@pytest.mark.parametrize(
    ("before", "values", "what"),
    [
        ("[screen]\nx = [", {"new_per_day": 3}, "not valid TOML"),
        ("[review]\nnew = 3\n", {"new_per_day": 3}, "unknown setting"),
        ("[[review]]\n", {"new_per_day": 3}, "must be a table"),
        ("", {"new_per_day": -3}, "review.new_per_day: -3 is out of range"),
        ("", {"holidays": ["soon"]}, "no day and no period"),
    ],
)
def test_a_setting_that_cannot_be_put_in_leaves_the_file(
    tmp_path: Path, before: str, values: dict[str, Any], what: str
) -> None:
    """The mistake is told, whether it was there or is asked for."""
    file = write(tmp_path / "settings.toml", before)
    with pytest.raises(SettingsError, match=what):
        keep_settings(file, "review", values)
    assert file.read_text() == before


def test_a_setting_cannot_be_put_into_a_file_that_is_read_only(tmp_path: Path) -> None:
    """Which others manage; a link to settings elsewhere is followed, not replaced."""
    file, link = tmp_path / "real.toml", tmp_path / "settings.toml"
    file.touch()
    link.symlink_to(file)
    keep_settings(link, "screen", THEME)
    assert link.is_symlink() and 'theme = "nord"' in file.read_text()
    with patch.object(os, "access", return_value=False), pytest.raises(SettingsError):
        keep_settings(link, "screen", {"theme": "gruvbox"})
    assert 'theme = "nord"' in file.read_text()


parts = st.lists(
    st.sampled_from(
        [
            *("# a comment\n", "\n", "[review]\n", "[lab] # mine\n", "[screen]\n", "[keys]\n"),
            *("new_per_day = 7 # few\n", "threads = 2\n", "theme = 'x'\n", "rate-good = 'g'\n"),
            *("easy_days = {sun = 0, sat = 0.5}\n", "[review.easy_days]\n", "sun = 0 # rest\n"),
            *("[review.exams]\n", "core = 2027-02-01\n", 'holidays = [ # some\n"2026-12-24" ]\n'),
        ]
    ),
    max_size=10,
).map("".join)
changes = st.fixed_dictionaries(
    {},
    optional={
        "new_per_day": st.integers(0, 99),
        "desired_retention": st.sampled_from([0.8, 0.9, 0.95]),
        "balance": st.booleans(),
        "easy_days": st.dictionaries(st.sampled_from(["sat", "sun"]), st.sampled_from([0.0, 0.5])),
        "exams": st.dictionaries(st.sampled_from(["core", "bert"]), st.dates()),
        "holidays": st.lists(st.dates().map(date.isoformat), max_size=2),
    },
)


@given(parts, changes)
@hypothesis.settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_file_is_only_what_was_asked_for_changes(
    tmp_path: Path, before: str, values: dict[str, Any]
) -> None:
    """Comments stay with what stays, and doing it twice is doing it once."""
    path = write(tmp_path / "settings.toml", before)
    try:
        old = load_settings(path)
        new = keep_settings(path, "review", values)
    except SettingsError:
        assert path.read_text(encoding="utf-8") == before
        return
    assert (new.lab, new.screen, new.keys) == (old.lab, old.screen, old.keys)
    for item in fields(new.review):
        if item.name not in values:
            assert getattr(new.review, item.name) == getattr(old.review, item.name)
    assert new.review.new_per_day == values.get("new_per_day", old.review.new_per_day)
    assert new.review.exams == values.get("exams", old.review.exams)
    assert new.review.easy_days == values.get("easy_days", old.review.easy_days)
    after = path.read_text(encoding="utf-8")
    assert after.count("# a comment") == before.count("# a comment")
    assert keep_settings(path, "review", values) == new
    assert path.read_text(encoding="utf-8") == after
