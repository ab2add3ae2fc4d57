"""The review screen: every card kind from its question to its rating, and the ways back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.course.cards import Match, Order
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, Settings
from studykit.study.services import Services
from studykit.text import first_suspect
from studykit.tui.app import StudykitApp
from studykit.tui.screens.review import ReviewScreen
from studykit.tui.widgets.answer_options import OptionsAnswer
from studykit.tui.widgets.card_view import CardView
from studykit.tui.widgets.confidence_bar import ConfidenceButton
from studykit.tui.widgets.rating_bar import RatingBar, RatingButton
from tests.tui.conftest import MakeServices, open_review, text_of, until

Keys = Callable[[Services], list[str]]
"""What a learner presses to answer the first card."""


def _letter(services: Services, name: str, text: str) -> list[str]:
    """The key of the option with this text, as the card is shown the first time."""
    shown = services.open_session().shown
    assert shown is not None and shown.card.id == name
    return ["abcdefg"[[option.text for option in shown.options].index(text)]]


def _pick_rights(services: Services, *, is_right: bool) -> list[str]:
    shown = services.open_session().shown
    assert shown is not None
    rights = ["the scale of one token", "the path of the gradient", "the variance of the scores"]
    wanted = rights if is_right else [rights[1], rights[0], rights[2]]
    return ["abcdefgim"[shown.rights.index(right)] for right in wanted] + ["enter"]


def _sort_steps(services: Services) -> list[str]:
    """Selection sort with K, the cursor and Enter."""
    shown = services.open_session().shown
    assert shown is not None and isinstance(shown.card.body, Order)
    steps, keys, cursor = list(shown.steps), [], 0
    for target, step in enumerate(shown.card.body.steps):
        place = steps.index(step)
        keys += ["j" if place > cursor else "k"] * abs(place - cursor)
        keys += ["K"] * (place - target)
        steps.insert(target, steps.pop(place))
        cursor = target
    return [*keys, "enter"]


STUCK = "At the letter-frequency entropy"
CASES: dict[str, tuple[str, Keys, bool | None, Rating, str]] = {
    "recall": ("recall", lambda _: ["space"], None, Rating.GOOD, "so a path around every"),
    "choice": (
        "choice",
        lambda s: _letter(s, "stacks-choice", "The first layer's gradient vanishes"),
        False,
        Rating.AGAIN,
        "Plain deep stacks suffer from it",
    ),
    "cloze": ("cloze", lambda _: ["N", "o", "r", "m", "enter"], True, Rating.GOOD, "✓ Right"),
    "given up": ("cloze", lambda _: ["escape", "n"], False, Rating.AGAIN, "– Not answered"),
    "order": ("order", _sort_steps, True, Rating.GOOD, "✓ 4  Add the result to x"),
    "match": (
        "match",
        lambda s: _pick_rights(s, is_right=False),
        False,
        Rating.AGAIN,
        "✗ 1 of 3 right",
    ),
    "numeric": ("numeric", lambda _: ["3", ".", "3", "enter"], True, Rating.GOOD, "3.296 nats"),
    "predict": (
        "predict",
        lambda s: [*_letter(s, "stacks-predict", STUCK), "enter"],
        True,
        Rating.GOOD,
        "✓ Right",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_card_is_answered_and_rated(make_services: MakeServices, case: str) -> None:
    """Each kind is answered by its keys, judged, explained, backed by evidence and saved."""
    name, keys, correct, suggested, told = CASES[case]
    services = make_services(name)
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press(*keys(services))
        if name not in ("recall", "predict") and case != "given up":
            assert "How sure are you?" in text_of(pilot.app)
            await pilot.press("enter")
        screen = text_of(pilot.app)
        assert told in screen
        assert "MEASURED" in screen and "recorded on Intel Xeon" in screen
        assert f"▸ {suggested.value} {suggested.name.capitalize()} ◂" in screen
        await pilot.press("enter")
        (saved,) = services.progress.reviews()
        assert (saved.rating, saved.suggested, saved.correct) == (suggested, suggested, correct)
        assert "u undoes it" in text_of(pilot.app)


async def test_a_confident_error_is_told_and_comes_back_soon(make_services: MakeServices) -> None:
    """One key says how sure; the card says what was believed, and the ratings what follows."""
    services = make_services("choice")
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        wrong = _letter(services, "stacks-choice", "The first layer's gradient vanishes")
        await pilot.press(*wrong)
        screen = text_of(pilot.app)
        assert "● " in screen and "← yours" in screen and "✗" not in screen
        await pilot.press("4")
        screen = text_of(pilot.app)
        assert "✗ Wrong, and you were certain" in screen
        assert "Firm errors tend to return" in screen and "Plain deep stacks suffer" in screen
        (easy,) = [button for button in pilot.app.screen.query(RatingButton) if button.rating == 4]
        assert str(easy.render()).splitlines()[1] == "1 d capped"
        await pilot.press("4")
        (saved,) = services.progress.reviews()
        assert (saved.confidence, saved.correct, saved.after.caps_left) == (95, False, 1)


async def test_a_prediction_keeps_its_confidence_for_the_run(make_services: MakeServices) -> None:
    """It can be changed until the outcome is looked at, and is not asked of who gives up."""
    services = make_services("predict")
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press(*_letter(services, "stacks-predict", STUCK), "1", "3")
        screen = text_of(pilot.app)
        assert "▸ 3 sure ◂" in screen and "MEASURED" not in screen
        review = pilot.app.screen
        assert isinstance(review, ReviewScreen)
        prediction = review._sitting.prediction
        assert prediction is not None and prediction.confidence == 75
        await pilot.press("enter")
        # The recorded result is known; a run of one's own still has the prediction to judge.
        assert review._sitting.prediction == prediction
        await pilot.press("enter")
        assert [saved.confidence for saved in services.progress.reviews()] == [75]
        await pilot.press("u", "n")
        assert "How sure" not in text_of(pilot.app) and "– Not answered" in text_of(pilot.app)


async def test_confidence_can_be_left_unasked(make_services: MakeServices) -> None:
    """By a setting: an answer is judged at once, and the number keys rate."""
    services = make_services(
        "cloze", settings=Settings(review=ReviewSettings(ask_confidence=False))
    )
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("x", "enter", "2")
        (saved,) = services.progress.reviews()
        assert (saved.rating, saved.confidence) == (Rating.HARD, None)


async def test_rating_keys_are_dead_before_the_answer(make_services: MakeServices) -> None:
    """Nobody rates what they have not seen; afterwards the learner overrules the suggestion."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("1", "3", "enter", "2")
        (saved,) = services.progress.reviews()
        assert saved.rating is Rating.HARD


async def test_the_test_of_a_claim_is_shown_on_a_key(make_services: MakeServices) -> None:
    """Not before the answer, which it would tell."""
    services = make_services("recall")
    shown = "Test: |loss_without − unigram_entropy| ≤ 0.05"
    async with StudykitApp(services).run_test(size=(100, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("t")
        assert not services.shows_tests
        await pilot.press("space")
        assert "Test: " not in text_of(pilot.app)
        await pilot.press("t")
        assert shown in text_of(pilot.app)
        await pilot.press("t")
        assert shown not in text_of(pilot.app)
        assert "Tests hidden" in text_of(pilot.app)


async def test_the_test_of_a_claim_comes_into_view(make_services: MakeServices) -> None:
    """In a low terminal the evidence begins below the fold."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 16)) as pilot:
        await open_review(pilot)
        await pilot.press("space")
        assert "loss, without" not in text_of(pilot.app)
        await pilot.press("t")
        await pilot.pause()
        assert "Test: |loss_without − unigram_entropy| ≤ 0.05" in text_of(pilot.app)


async def test_pairs_stand_in_columns(make_services: MakeServices) -> None:
    """All arrows below one another, and what is too long goes on below itself."""
    services = make_services("match")
    card = services.cards["stacks-match"]
    assert isinstance(card.body, Match)
    pairs = (("LayerNorm", "bounded"), ("a norm before every single branch", "x " * 30))
    services.cards[card.id] = replace(card, body=replace(card.body, pairs=pairs, spare=()))
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("a", "b")
        lines = text_of(pilot.app).splitlines()
        arrows = [line.index("→") for line in lines if "→" in line]
        at = next(n for n, line in enumerate(lines) if "→" in line and "x x" in line)
        assert len(arrows) == 2 and len(set(arrows)) == 1
        assert lines[at + 1].strip().startswith("x x")
        assert lines[at + 1].index("x") == arrows[0] + 3  # the arrow and two spaces


async def test_the_cursor_stays_in_view(make_services: MakeServices) -> None:
    """In a low terminal a long list scrolls with its cursor."""
    services = make_services("order")
    (card,) = services.cards.values()
    steps = tuple(f"step number {n}" for n in range(15))
    services.cards = {card.id: replace(card, body=Order(steps))}
    async with StudykitApp(services).run_test(size=(80, 18)) as pilot:
        await open_review(pilot)
        assert "15  step" not in text_of(pilot.app)
        await pilot.press(*["j"] * 14)
        assert "▸ 15  step" in text_of(pilot.app)


async def test_a_card_keeps_its_size(make_services: MakeServices) -> None:
    """What comes and goes below it would have all of its rows drawn again: that takes a quarter
    of the time to the next card."""
    async with StudykitApp(make_services("choice")).run_test() as pilot:
        await open_review(pilot)
        asked = pilot.app.screen.query_one(CardView).size
        await pilot.press("a")
        held = pilot.app.screen.query_one(CardView).size
        await pilot.press("enter")
        assert pilot.app.screen.query_one(RatingBar).display
        assert pilot.app.screen.query_one(CardView).size == held == asked


async def test_the_mouse_answers_and_rates(make_services: MakeServices) -> None:
    """Options and ratings can be clicked."""
    services = make_services("choice")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.click(OptionsAnswer, offset=(5, 1))
        guess = pilot.app.screen.query(ConfidenceButton).first()
        await pilot.click(guess)
        answers = [line for line in text_of(pilot.app).splitlines() if "yours" in line]
        assert [line.split()[1] for line in answers] == ["b"]
        easy = [*pilot.app.screen.query(RatingButton)][3]
        await pilot.click(easy)
        (saved,) = services.progress.reviews()
        assert (saved.rating, saved.confidence) == (Rating.EASY, 25)


HOSTILE = (
    "oops [/nope] [red]x[0][/] [@click=app.quit]free[/] \x1b[31mred \x1b]52;c;aGk=\x1b\\ \u202erev"
)


async def test_hostile_text_is_only_text(make_services: MakeServices) -> None:
    """Markup stays as it is written, and no control character reaches the terminal."""
    services = make_services("recall")
    (card,) = services.cards.values()
    card = replace(card, question=HOSTILE, explain=HOSTILE, source=HOSTILE)
    services.cards = {card.id: card}
    async with StudykitApp(services).run_test(size=(119, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("space")
        screen = text_of(pilot.app)
        assert screen.count("oops [/nope] [red]x[0][/] [@click=app.quit]free[/] ␛[31mred") == 3
        assert all(first_suspect(line) is None for line in screen.splitlines())


async def test_letters_belong_to_the_text_field(make_services: MakeServices) -> None:
    """In a field every letter is text; Esc gives the keys back, and Enter the field."""
    async with StudykitApp(make_services("cloze")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("q", "x", "question_mark")
        assert "qx?" in text_of(pilot.app) and isinstance(pilot.app.screen, ReviewScreen)
        await pilot.press("escape", "enter", "z", "escape", "q")
        assert "1 due" in text_of(pilot.app)


async def test_an_empty_field_is_no_answer(make_services: MakeServices) -> None:
    """A key too many gives no card up; the line says which does."""
    async with StudykitApp(make_services("numeric")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("enter")
        assert "type an answer; Esc, then n gives up" in text_of(pilot.app)
        await pilot.press("space", "enter")
        assert "Not answered" not in text_of(pilot.app)
        await pilot.press("3", "enter")
        assert "● 3 nats  ← yours" in text_of(pilot.app)


HELD = {
    "choice": (["b"], ["c"]),
    "cloze": ([*"norn", "enter"], ["backspace", "m", "enter"]),
    "order": (["J", "enter"], ["K", "enter"]),
    "match": ([*"abc", "enter"], ["k", "k", "d", "enter"]),
    "predict": (["b"], ["j", "enter"]),
}
"""Kind -> the keys of an answer, and those that change it."""


@pytest.mark.parametrize("name", HELD)
async def test_escape_leads_back_to_the_answer(make_services: MakeServices, name: str) -> None:
    """While it is held, whatever the kind: it stands there as it was given, to be changed."""
    keys, other = HELD[name]
    services = make_services(name)
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ReviewScreen)
        await pilot.press(*keys)
        first = screen._sitting.given
        assert "How sure are you?" in text_of(pilot.app) and first is not None
        await pilot.press("escape")
        assert screen._sitting.is_asked and "How sure" not in text_of(pilot.app)
        assert "Change your answer" in text_of(pilot.app)
        await pilot.press("enter")
        assert screen._sitting.given == first
        await pilot.press("escape", *other)
        assert screen._sitting.given not in (first, None)


async def test_a_held_answer_is_not_put_aside_by_a_letter(make_services: MakeServices) -> None:
    """`b` after `a` is meant for the options; the card stays while the answer can be changed."""
    async with StudykitApp(make_services("choice")).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("a", "b", "s")
        assert "How sure are you?" in text_of(pilot.app)
        await pilot.press("enter", "b")
        assert "waits until tomorrow" in text_of(pilot.app)


SnapCompare = Callable[..., bool]


async def _ready(pilot: Pilot[None]) -> None:
    await open_review(pilot)


def test_picture_of_a_question(make_services: MakeServices, snap_compare: SnapCompare) -> None:
    """A question with options at 80x24."""
    app: Any = StudykitApp(make_services("choice"))
    assert snap_compare(app, run_before=_ready, terminal_size=(80, 24))


def test_picture_of_an_answer(make_services: MakeServices, snap_compare: SnapCompare) -> None:
    """An answered card at 120x40: marks, refutation, explanation and ratings."""

    async def answer(pilot: Pilot[None]) -> None:
        await open_review(pilot)
        await pilot.press("a", "enter")

    services = make_services("choice")
    # Evidence has tests and pictures of its own.
    services.course = replace(services.course, labs={})
    app: Any = StudykitApp(services)
    assert snap_compare(app, run_before=answer, terminal_size=(120, 40))


async def test_a_wrong_answer_rated_good_does_not_pass_silently(
    make_services: MakeServices,
) -> None:
    async with StudykitApp(make_services("cloze", "recall")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press(*"scale", "enter", "enter", "3")
        said = " ".join(text_of(pilot.app).split())
        assert "! graded wrong, yet scheduled as known" in said


async def test_a_capped_interval_says_so(make_services: MakeServices) -> None:
    """On its button; and from the next day on, when the error itself is not on the screen."""
    services = make_services("cloze")
    clock = services.clock
    assert isinstance(clock, FixedClock)
    async with StudykitApp(services).run_test(size=(60, 20)) as pilot:
        await open_review(pilot)
        await pilot.press(*"scale", "enter", "4")
        assert "1 d capped" in text_of(pilot.app)
        await pilot.press("4")
        clock.advance(timedelta(days=1))
        await until(pilot, lambda: bool(pilot.app.screen.query(CardView)))
        await pilot.press(*"norm", "enter", "enter")
        said = " ".join(text_of(pilot.app).split())
        assert "7 d capped" in said
        assert "Capped: you were sure of a wrong answer here" in said
