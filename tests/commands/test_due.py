"""`studykit due`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from studykit.review.schedule import Rating
from tests.commands.dice_course import edit, study
from tests.commands.runner import AT, Run


def test_due_counts_what_a_new_learner_has(run: Run, home: Path) -> None:
    """All cards are new, and asking writes nothing."""
    outcome = run("due")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "deck          new  learning  review  total",
        "Rolling dice    3         0       0      3",
        "all             3         0       0      3",
    ]
    assert not home.exists()


def test_due_counts_less_after_a_sitting(run: Run, home: Path) -> None:
    """A card that was learned is not new any more, and comes on a later day."""
    study(home, "dice-probability", AT)
    study(home, "a-card-of-another-course", AT)
    document = run("due", "--json").document
    assert document["day"] == "2026-11-23"
    assert document["total"] == {"new": 2, "learning": 0, "review": 0, "total": 2}
    assert [deck["deck"] for deck in document["decks"]] == ["dice"]
    assert document["next"]["cards"] == 1
    assert document["next"]["at"] > "2026-11-23"


def test_what_comes_next_is_not_over(run: Run, home: Path) -> None:
    """A learning step that has ended is counted as due, and nothing else is scheduled."""
    study(home, "dice-probability", AT - timedelta(hours=1), Rating.AGAIN)
    document = run("due", "--json").document
    assert document["total"]["learning"] == 1
    assert document["next"] is None
    assert "next:" not in run("due").out

    study(home, "dice-highest", AT, Rating.AGAIN)
    assert run("due", "--json").document["next"]["cards"] == 1


def test_due_keeps_to_the_daily_limit(run: Run, home: Path) -> None:
    """The settings hold for the shell as for the screens."""
    home.mkdir()
    (home / "settings.toml").write_text("[review]\nnew_per_day = 1\n", encoding="utf-8")
    assert run("due", "--json").document["total"]["new"] == 1


def test_a_broken_deck_does_not_hide_the_others(run: Run, course: Path) -> None:
    """What can be read is counted; one line says that there is more to mend."""
    (course / "decks" / "2-more.yaml").write_text("format: 1\n", encoding="utf-8")
    edit(course / "decks" / "course.yaml", "[1-dice.yaml]", "[1-dice.yaml, 2-more.yaml]")
    outcome = run("due", "--json")
    assert outcome.document["total"]["new"] == 3
    assert "in the course; studykit check lists them" in outcome.complaint


def test_a_title_cannot_drive_the_terminal(run: Run, course: Path) -> None:
    """Escape sequences of a deck are made visible."""
    edit(course / "decks" / "1-dice.yaml", "title: Rolling dice", 'title: "\\e[31mred"')
    outcome = run("due")
    assert "\x1b" not in outcome.out + outcome.err
