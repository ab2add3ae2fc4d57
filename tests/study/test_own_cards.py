"""Cards of one's own and pins: files of the learner's, written whole and read with care."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.clock import FixedClock
from studykit.course.own import DECK, add_own_card, own_deck_path, with_own_deck
from studykit.errors import CourseError, StudykitError
from studykit.study.pins import Pin, add_pin, load_pins
from studykit.study.services import Services
from tests.study.what_if_course import BENCH, build_services
from tests.tui.conftest import NOW


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path, FixedClock(NOW))


def add(services: Services, **changed: object) -> str:
    """A card of one's own, with some of its fields changed."""
    card = {
        "stem": "damper-off",
        "question": 'car: remove the "damper" — what then? # [x]',
        "options": {"worse": "It swings farther.", "better": "It swings less far."},
        "lab": BENCH,
        "knobs": {"change": "damper=off", "n_steps": 80},
        "explain": "Measured: +1 cm.",
        **changed,
    }
    return add_own_card(services.course, services.paths.own_decks_dir, **card)  # type: ignore[arg-type]


def test_a_card_of_ones_own_is_read_back_as_it_was_written(services: Services) -> None:
    first, second = add(services), add(services)

    services.reload_decks()
    card = services.cards[first]
    assert (first, second) == ("mine-damper-off-1", "mine-damper-off-2")
    assert card.question == 'car: remove the "damper" — what then? # [x]'
    assert dict(card.knobs) == {"change": "damper=off", "n_steps": 80}
    assert card.claims == ("worse", "better")
    assert [deck.id for deck in services.course.decks] == ["springs", DECK]
    assert services.course.problems == ()


def test_what_is_shown_as_the_number_of_own_cards_is_a_name(services: Services) -> None:
    """In the file stands a number that no outline can have."""
    add(services)
    services.reload_decks()

    (topic,) = services.course.decks[-1].topics
    assert topic.number == "own"
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    assert 'number: "9999.1"' in path.read_text()


def test_a_broken_own_deck_is_told_as_the_progress_opens(services: Services) -> None:
    add(services)
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    path.write_text(path.read_text().replace("kind: predict", "kind: guess"))
    again = Services(
        services.course, services.settings, services.paths, services.clock, services._open_store
    )

    again.open()

    assert again.warning.startswith("in your own deck, springs.yaml:12:15: ")
    assert "guess" in again.warning
    assert "\n" not in again.warning


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"knobs": {"n_steps": 7}}, "knob n_steps cannot be 7"),
        ({"options": {"loud": "It is loud.", "worse": "It swings."}}, "makes no claim loud"),
    ],
)
def test_a_card_that_would_break_the_deck_is_not_written(
    services: Services, changed: dict[str, object], what: str
) -> None:
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    with pytest.raises(CourseError, match=what):
        add(services, **changed)
    assert not path.exists()
    add(services)
    before = path.read_text()

    with pytest.raises(CourseError, match=what):
        add(services, **changed)

    assert path.read_text() == before


def test_a_broken_own_deck_costs_its_own_cards_only(services: Services) -> None:
    add(services)
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    path.write_text(path.read_text().replace("kind: predict", "kind: guess"))

    course = with_own_deck(services.course, services.paths.own_decks_dir)

    assert [deck.id for deck in course.decks] == ["springs"]
    (problem,) = course.problems
    assert path.name in problem and "guess" in problem


def test_an_own_deck_that_breaks_while_it_is_studied_leaves_the_old_cards(
    services: Services,
) -> None:
    card_id = add(services)
    services.reload_decks()
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    path.write_text("format: 1\n")

    assert "the old cards stay" in services.reload_changed_decks()
    assert card_id in services.cards


def test_a_card_id_of_the_course_is_not_taken_again(services: Services) -> None:
    path = own_deck_path(services.paths.own_decks_dir, services.course.id)
    add(services)
    path.write_text(path.read_text().replace("mine-damper-off-1", "springs-damper"))

    course = with_own_deck(services.course, services.paths.own_decks_dir)

    assert [deck.id for deck in course.decks] == ["springs"]
    assert "card springs-damper is also at" in course.problems[0]


def test_pins_are_kept_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "pins" / "springs.json"
    first, second = Pin("a", BENCH, {"change": "coil=none"}), Pin("b", BENCH, {"n_steps": 80})

    assert load_pins(path) == ()
    assert [add_pin(path, pin) for pin in (first, second, first)] == [True, True, False]
    assert load_pins(path) == (first, second)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"format": 2, "pins": []}', '{"format": 1, "pins": [{"card": 1}]}'),
        '{"format": 1, "pins": [{"card": "a", "lab": "b", "knobs": {"x": [1]}}]}',
    ],
)
def test_a_damaged_file_of_pins_is_named_and_left_alone(services: Services, text: str) -> None:
    path = services.paths.pins_dir / "springs.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    card = services.cards["springs-damper"]

    (told,) = services.pinned(card)
    assert told.startswith("! ") and "springs.json" in told
    with pytest.raises(StudykitError, match=r"springs\.json"):
        services.pin(services.course.labs[BENCH], {}, card)
    assert path.read_text() == text


def test_a_pin_outlives_its_lab_and_its_parts(services: Services) -> None:
    card, lab = services.cards["springs-damper"], services.course.labs[BENCH]
    services.pin(lab, {"change": "coil=none"}, card)
    (told,) = services.pinned(card)
    assert told.startswith("car: remove the coil: not run yet · studykit whatif")
    path = services.paths.pins_dir / "springs.json"
    document = path.read_text()

    path.write_text(document.replace("coil=none", "lid=off"))
    assert services.pinned(card) == [f"{BENCH} no longer has these parts"]
    path.write_text(document.replace(BENCH, "bench/gone"))
    assert services.pinned(card) == ["bench/gone is no longer in the course"]


def test_pins_in_a_folder_that_may_not_be_entered_cost_one_line(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the card's screen; root, whom no folder keeps out, may run the tests."""
    path = services.paths.pins_dir / "springs.json"
    look = Path.exists

    def exists(self: Path, **options: bool) -> bool:
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return look(self, **options)

    monkeypatch.setattr(Path, "exists", exists)

    assert services.pinned(services.cards["springs-damper"]) == [
        f"! {path}:1:1: cannot be read: Permission denied"
    ]
