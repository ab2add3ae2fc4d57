"""`studykit due`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from studykit.review.schedule import Rating
from tests.commands.dice_course import DECK, edit, study
from tests.commands.runner import AT, Run

OWN_DECK = """\
format: 1
deck: mine
title: My own cards
topics:
  - id: mine-what-if
    number: "9999.1"
    title: What I asked
    points:
      9999.1.1: What a die does.
    cards:
"""


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


def test_due_counts_the_same_whether_or_not_the_course_is_cached(run: Run, home: Path) -> None:
    """Before the first sitting it is not; then only what it lists is read."""
    plain = run("due").out
    study(home, "a-card-of-another-course", AT)
    assert [run("due").out for _ in range(2)] == [plain, plain]
    assert any((home / "courses").iterdir())


def test_due_counts_cards_of_one_s_own(run: Run, home: Path) -> None:
    """They are no part of what is cached."""
    study(home, "a-card-of-another-course", AT)
    run("due")
    own = home / "decks" / "dice.yaml"
    own.parent.mkdir()
    card = DECK[DECK.index("      - id: dice-probability") :].replace("dice-prob", "mine-prob")
    own.write_text(OWN_DECK + card.replace("1.1.2", "9999.1.1"))

    counts = {deck["deck"]: deck["new"] for deck in run("due", "--json").document["decks"]}
    assert counts == {"dice": 3, "mine": 1}
    assert "My own cards" in run("due").out
    report = run("report", "--format", "json").document
    assert [topic["deck"] for topic in report["topics"]][-1] == "mine"


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


def set_review(home: Path, text: str) -> None:
    (home / "settings.toml").write_text(f"[review]\n{text}\n", encoding="utf-8")


def test_due_says_how_long_a_backlog_takes(run: Run, home: Path) -> None:
    """And that no new cards come before it is cleared."""
    for card_id in ("dice-probability", "dice-highest"):
        study(home, card_id, AT - timedelta(days=60), Rating.EASY)
    set_review(home, "backlog_per_day = 1")
    assert (
        "1 beyond today's limit, cleared in about 1 day, no new cards until then"
        in run("due").out.splitlines()
    )
    document = run("due", "--json").document
    assert document["total"] == {"new": 0, "learning": 0, "review": 1, "total": 1}
    assert document["backlog"] == {
        "per_day": 1,
        "days": 1,
        "new_cards_wait": True,
        "resumes": None,
    }


def test_due_asks_nothing_on_a_day_off(run: Run, home: Path) -> None:
    """The cards wait, and the prompt is silent about them."""
    study(home, "dice-probability", AT - timedelta(days=60), Rating.EASY)
    set_review(home, 'holidays = ["2026-11-20/2026-11-29"]')
    document = run("due", "--json").document
    assert document["total"]["total"] == 0
    assert document["backlog"]["resumes"] == "2026-11-30"
    assert document["next"] == {"at": "2026-11-30", "cards": 1}
    assert "a day off: 1 card waits until 30 Nov" in run("due").out


def test_due_names_the_exams_to_come(run: Run, home: Path) -> None:
    """With the new cards a day that meet all cards in time."""
    study(home, "dice-probability", AT)
    set_review(home, "new_per_day = 0\nexams = {dice = 2026-12-02}")
    told = "exam: dice on 2 Dec, in 9 days: 2 cards to meet, 1 a day (set are 0"
    assert told in run("due").out
    (exam,) = run("due", "--json").document["exams"]
    assert (exam["name"], exam["on"], exam["cards"], exam["unseen"]) == (
        "dice",
        "2026-12-02",
        3,
        2,
    )
