"""A course read from its files: the manifest ``decks/course.yaml``, its decks and its labs.

Nothing of the course is executed, and nothing is written back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from studykit.course.card_schema import parse_card
from studykit.course.cards import (
    MODEL_KNOB,
    Card,
    Course,
    Deck,
    KnobValue,
    LabHeader,
    OutlineTopic,
    Topic,
)
from studykit.course.labs import LONGEST_OWN_TEXT, find_labs, read_lab_header
from studykit.course.names import ID, ID_HINT, POINT, TOPIC_NUMBER, TOPIC_NUMBER_HINT
from studykit.course.nodes import Node, distinct, shown
from studykit.course.parts import BASE_KNOB, FAMILY_KNOB, parse_settings, settings_text
from studykit.course.source import (
    MOST_DECK_BYTES,
    MOST_RESULT_BYTES,
    card_error,
    in_order,
    one_line,
    require_bounded,
    walk_files,
)
from studykit.course.yaml_reader import Document, read_document
from studykit.errors import CourseError, Place
from studykit.settings import RETENTIONS
from studykit.text import is_plain_line

FORMAT = 1
MANIFEST = "course.yaml"

MOST_CARDS = 60_000
"""Of a course."""
MOST_DECKS = 400
MOST_TOPICS = 1_000
"""Of the outline."""
MOST_POINTS = 200
"""Of a topic."""
_DECK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.yaml")
LONGEST_TITLE = 200

Seen = dict[tuple[str, str], Place]
"""What was named so far in the course, ("card", id) and the like, and where."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """``decks/course.yaml``: what the course is and which decks belong to it."""

    course_id: str
    title: str
    deck_names: tuple[tuple[str, Place], ...]
    """Each deck's file name and where it is listed."""
    outline: tuple[OutlineTopic, ...]
    labs_are_optional: bool = False
    """Its cards may have no lab, and its topics no points."""
    retention: float | None = None
    """The desired retention that the course proposes."""


def load_course(root: Path) -> Course:
    """The course below `root`; what is broken becomes a line of its problems and stays out.

    Raises `CourseError` as `read_course` does.
    """
    course, errors = read_course(root)
    return replace(course, problems=tuple(one_line(error) for error in errors))


def read_course(root: Path) -> tuple[Course, list[CourseError]]:
    """The course without its broken parts, and what is wrong with those, by place.

    Raises `CourseError` only if the manifest cannot be used, or a folder holds more than it may.
    """
    manifest = load_manifest(root)
    errors: list[CourseError] = []
    labs: dict[str, LabHeader] = {}
    for path in find_labs(root):
        header, found = read_lab_header(path, root)
        errors += found
        if header:
            labs[header.id] = header
    folder = root / "decks"
    decks_listed = (folder / name for name, _ in manifest.deck_names)
    require_bounded(folder, decks_listed, MOST_DECK_BYTES, "decks")
    results = root / "data" / "results"
    require_bounded(results, walk_files(results), MOST_RESULT_BYTES, "results")
    seen: Seen = {}
    decks = []
    n_cards = 0
    for name, listed in manifest.deck_names:
        path = root / "decks" / name
        if not path.exists():
            errors.append(CourseError(f"{path.name} does not exist", place=listed, hint=_ADD_DECK))
            continue
        try:
            document = read_document(path)
            deck, found = parse_deck(document, seen, labs_are_optional=manifest.labs_are_optional)
            n_cards += len(deck.cards) if deck else 0
            if n_cards > MOST_CARDS:
                what = f"with it the course has more than {MOST_CARDS:,} cards"
                raise CourseError(what, place=listed, hint="make two courses of it")
        except CourseError as error:
            deck, found = None, [error]
        errors += found
        if deck:
            decks.append(without_orphans(deck, labs, errors))
    course = Course(
        root,
        manifest.course_id,
        manifest.title,
        tuple(decks),
        labs,
        manifest.outline,
        retention=manifest.retention,
    )
    return course, in_order(errors)


def reread_course(old: Course, deck: Path | None = None) -> Course:
    """The course as its files are now; raises `CourseError` if a deck broke.

    With `deck` any mistake in that file counts; without, only one that costs a whole deck which
    could be read before. The error's path is relative to the course, short enough for one line.
    """
    course, errors = read_course(old.root)
    readable = {each.path for each in course.decks}
    broken = {each.path for each in old.decks} - readable if deck is None else {deck}
    for error in errors:
        if error.place is not None and error.place.path in broken:
            place = replace(error.place, path=error.place.path.relative_to(old.root))
            raise CourseError(error.what, place=place, hint=error.hint)
    return replace(course, problems=tuple(one_line(error) for error in errors))


def load_deck(path: Path) -> Deck:
    """The deck in one file; raises `CourseError` with the place of its first problem."""
    deck, errors = parse_deck(read_document(path), {})
    if errors or not deck:
        raise in_order(errors)[0]
    return deck


def parse_deck(
    document: Document, seen: Seen, *, labs_are_optional: bool = False
) -> tuple[Deck | None, list[CourseError]]:
    """The deck of a document and no error, or no deck and an error for each broken part.

    Adds the names that the deck gives to `seen`; one that is there already is an error.
    """
    errors: list[CourseError] = []
    topics = []
    try:
        fields = document.root.fields(("format", "deck", "title", "topics"))
        _check_format(fields["format"])
        deck_id = fields["deck"].matching(ID, ID_HINT)
        _take(seen, "deck", deck_id, fields["deck"])
        title = fields["title"].prose(LONGEST_TITLE)
        nodes = fields["topics"].items()
    except CourseError as error:
        return None, [error]
    for node in nodes:
        try:
            topics.append(
                _parse_topic(node, deck_id, seen, errors, labs_are_optional=labs_are_optional)
            )
        except CourseError as error:
            errors.append(error)
    if errors:
        return None, errors
    return Deck(deck_id, title, tuple(topics), document.path), []


def load_manifest(root: Path) -> Manifest:
    """The manifest of the course below `root`; raises `CourseError` at its first problem."""
    document = read_document(root / "decks" / MANIFEST)
    labs_are_optional = _labs_are_optional(document.root)
    required = ("format", "course", "title", "decks")
    # Where labs are optional, so is what the cards are to teach: cards from elsewhere never say.
    fields = (
        document.root.fields(required, ("labs", "outline", "retention"))
        if labs_are_optional
        else document.root.fields((*required, "outline"), ("retention",))
    )
    _check_format(fields["format"])
    names = fields["decks"].items(most=MOST_DECKS)
    for name in names:
        if name.matching(_DECK_NAME, "a file in decks/, like 1-core.yaml") == MANIFEST:
            raise name.fail(f"{MANIFEST} is no deck", "list the decks only")
    files = distinct(names, "a deck")
    return Manifest(
        course_id=fields["course"].matching(ID, ID_HINT),
        title=fields["title"].prose(LONGEST_TITLE),
        deck_names=tuple((file, name.place) for name, file in zip(names, files, strict=True)),
        outline=tuple(_outline(fields["outline"])) if "outline" in fields else (),
        labs_are_optional=labs_are_optional,
        retention=_retention(fields["retention"]) if "retention" in fields else None,
    )


def _labs_are_optional(root: Node) -> bool:
    node = root.entries().get("labs")
    if node is None:
        return False
    if (text := node.text()) != "optional":
        raise node.fail(
            f"{shown(text)} is not known", "optional, or leave it out where each card has a lab"
        )
    return True


def _retention(node: Node) -> float:
    """What a course proposes, within what a learner may set."""
    share = node.number()
    low, high = RETENTIONS
    if not low <= share <= high:
        raise node.fail(f"{shown(node.value)} is out of range", f"{low} to {high}")
    return share


def card_errors(card: Card, labs: dict[str, LabHeader]) -> Iterator[CourseError]:
    """What stands between a card and its lab: no such lab, claim, knob or value."""
    if not card.lab:
        return
    lab = labs.get(card.lab)
    if lab is None:
        hint = f"add labs/{card.lab}.py, or mend it if it is reported here"
        yield card_error(card, f"there is no usable lab {card.lab}", hint)
        return
    for claim in card.claims:
        if claim not in lab.claims:
            yield card_error(
                card, f"lab {lab.id} makes no claim {claim}", f"it claims {', '.join(lab.claims)}"
            )
    for name, value in card.knobs.items():
        if name not in lab.knobs:
            known = ", ".join(lab.knobs) or "none"
            yield card_error(card, f"lab {lab.id} has no knob {name}", f"it has {known}")
        elif name == MODEL_KNOB:
            yield card_error(card, "a card sets no model", "it speaks of the lab's own")
        elif name in lab.setting_knobs:
            yield from _settings_errors(card, lab, name, value)
        elif name in lab.text_knobs:
            text = value if isinstance(value, str) else ""
            if not is_plain_line(text) or len(text) > LONGEST_OWN_TEXT:
                hint = f"a text of one line, at most {LONGEST_OWN_TEXT} characters"
                yield card_error(card, f"knob {name} cannot be {shown(str(value))}", hint)
        elif not any(value == offer and type(value) is type(offer) for offer in lab.knobs[name]):
            offers = ", ".join(repr(offer) for offer in lab.knobs[name])
            yield card_error(card, f"knob {name} cannot be {value!r}", f"it takes {offers}")


def _settings_errors(
    card: Card, lab: LabHeader, name: str, value: KnobValue
) -> Iterator[CourseError]:
    """What is wrong with the settings of parts that a card asks for."""
    knobs = {knob: card.knobs[knob] for knob in (FAMILY_KNOB, BASE_KNOB) if knob in card.knobs}
    if knobs.get(FAMILY_KNOB, "") not in lab.families:
        knobs.pop(FAMILY_KNOB, None)  # reported as another knob's error
    try:
        settings = parse_settings(str(value), lab.parts)
        lab.models_of({**knobs, name: str(value)})
    except ValueError as error:
        yield card_error(card, f"knob {name} cannot be {shown(str(value))}", str(error))
    else:
        if value != settings_text(settings):
            hint = f"write {settings_text(settings)!r}"
            yield card_error(card, f"knob {name} is not as it is kept", hint)


_ADD_DECK = "add the file or take it from the list"


def without_orphans(deck: Deck, labs: dict[str, LabHeader], errors: list[CourseError]) -> Deck:
    """The deck less the cards that do not fit their labs; why goes to `errors`."""
    topics = []
    for topic in deck.topics:
        cards = []
        for card in topic.cards:
            found = list(card_errors(card, labs))
            errors += found
            if not found:
                cards.append(card)
        topics.append(replace(topic, cards=tuple(cards)))
    return replace(deck, topics=tuple(topics))


def _parse_topic(
    node: Node,
    deck_id: str,
    seen: Seen,
    errors: list[CourseError],
    *,
    labs_are_optional: bool,
) -> Topic:
    required = ("id", "number", "title", "cards")
    fields = (
        node.fields(required, ("points",))
        if labs_are_optional
        else node.fields((*required, "points"))
    )
    topic_id = fields["id"].matching(ID, ID_HINT)
    _take(seen, "topic", topic_id, fields["id"])
    number = fields["number"].matching(TOPIC_NUMBER, TOPIC_NUMBER_HINT)
    _take(seen, "topic number", number, fields["number"])
    title = fields["title"].prose(LONGEST_TITLE)
    points = {}
    for point, text in (
        fields["points"].entries(MOST_POINTS) if "points" in fields else {}
    ).items():
        if not POINT.fullmatch(point) or point.rpartition(".")[0] != number:
            where = text.key or text
            raise where.fail(f"topic {number} has no point `{point[:40]}`", f"like {number}.1")
        points[point] = text.prose()
    cards = []
    for item in fields["cards"].items():
        try:
            card = parse_card(item, deck_id, topic_id, points, labs_are_optional=labs_are_optional)
            _take(seen, "card", card.id, item.entries()["id"])
            cards.append(card)
        except CourseError as error:
            errors.append(error)
    return Topic(topic_id, number, title, points, tuple(cards))


def _outline(node: Node) -> Iterator[OutlineTopic]:
    seen: Seen = {}
    n_topics = 0
    for section in node.items():
        fields = section.fields(("number", "title", "topics"))
        prefix = str(fields["number"].whole())
        _take(seen, "section", prefix, fields["number"])
        fields["title"].prose(LONGEST_TITLE)
        for item in fields["topics"].items():
            topic = item.fields(("number", "title", "points"))
            number = topic["number"].matching(TOPIC_NUMBER, TOPIC_NUMBER_HINT)
            if number.partition(".")[0] != prefix:
                raise topic["number"].fail(f"section {prefix} has no topic {number}", "renumber it")
            _take(seen, "topic", number, topic["number"])
            title = topic["title"].prose(LONGEST_TITLE)
            n_topics += 1
            if n_topics > MOST_TOPICS:
                raise item.fail(
                    f"the outline has more than {MOST_TOPICS:,} topics", "leave some out"
                )
            yield OutlineTopic(number, title, topic["points"].whole(MOST_POINTS))


def _check_format(node: Node) -> None:
    if (number := node.whole()) != FORMAT:
        raise node.fail(f"format {number} is not known", f"this studykit reads format {FORMAT}")


def _take(seen: Seen, what: str, name: str, node: Node) -> None:
    """Takes `name` for the node, or raises `CourseError` with both places if it is taken."""
    if first := seen.get((what, name)):
        raise node.fail(f"{what} {name} is also at {first}", "rename one of them")
    seen[what, name] = node.place
