"""Two-way integrity of a course: what is named exists, and what exists is named.

Reads files only; no code of the course runs.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from studykit.course.cards import Card, Course, Deck, LabHeader, OutlineTopic
from studykit.course.decks import MANIFEST, Manifest, load_manifest, read_course
from studykit.course.lab_file import LabFile
from studykit.course.labs import find_labs, is_lab, lab_id
from studykit.course.models import load_models
from studykit.course.source import (
    MOST_PYTHON_BYTES,
    card_error,
    in_order,
    locate,
    one_line,
    read_source,
    require_bounded,
    walk_files,
)
from studykit.course.writing import (
    card_writing_errors,
    hidden,
    hidden_characters,
    is_plain,
    latex_errors,
    repeated_answers,
)
from studykit.course.yaml_reader import Document, read_document
from studykit.errors import CourseError, Place
from studykit.lab.recorded import results_path
from studykit.lab.stability import stability_path
from studykit.study.evidence import evidence_errors, evidence_notes
from studykit.text import first_suspect


@dataclass(frozen=True, slots=True)
class Report:
    """What `check_course` found."""

    problems: tuple[str, ...]
    """One line each, ``file:line:column: what (what to do)``, by place."""
    notes: tuple[str, ...] = ()
    """Of the same form: what is no fault, but to be known."""
    n_decks: int = 0
    n_cards: int = 0
    n_labs: int = 0
    n_claims: int = 0


@dataclass(frozen=True, slots=True)
class TopicCoverage:
    """How many cards ask about each point of a topic of the outline."""

    number: str
    title: str
    n_points: int
    points: Mapping[str, int]
    """Point -> number of cards, all points of the topic in order."""
    n_cards: int
    """Cards that ask about any of them."""


def check_course(root: Path, known: Course | None = None) -> Report:
    """Everything that is wrong with the course below `root`.

    `known` is the same course as it was read of the present files, if it was.
    """
    errors: list[CourseError] = []
    try:
        manifest = load_manifest(root)
        if known is not None and not known.problems:
            course = known
        else:
            course, errors = read_course(root)
        unlisted = list(_unlisted_files(root, manifest))
    except CourseError as error:
        return Report((one_line(error),))
    # A card that could not be read may be the one that would be missed.
    is_whole = not errors
    cards = course.cards.values()
    notes: list[CourseError] = []
    # Cards that were written for another program keep none of the rules for ours: worth knowing.
    writing = notes if manifest.labs_are_optional else errors
    errors += unlisted
    document = read_document(root / "decks" / MANIFEST)
    errors += hidden_characters(document)
    writing += latex_errors(document)
    asked = {point for card in cards for point in card.points}
    tells_points = bool(course.outline) or not manifest.labs_are_optional
    for deck in course.decks:
        # Read again only where its topics or texts give a reason, which is then told with its
        # place: reading a large course takes longer than all the rest.
        has_topics = not tells_points or _is_outlined(deck, course.outline)
        is_asked = not is_whole or all(asked.issuperset(topic.points) for topic in deck.topics)
        if has_topics and is_asked and is_plain(read_source(deck.path)):
            continue
        document = read_document(deck.path)
        errors += hidden_characters(document)
        writing += latex_errors(document)
        if tells_points:
            errors += _topic_errors(document, course.outline)
        errors += _unasked_points(document, asked) if is_whole else ()
    try:
        models = set(load_models(root))
    except CourseError as error:
        errors.append(error)
        models = {model for lab in course.labs.values() for model in lab.models}
    for lab in course.labs.values():
        file = LabFile(lab.path)
        errors += _hidden_in_lab(file)
        errors += _unknown_models(lab, file, models)
        errors += _lab_point_errors(lab, file, course.outline)
        errors += _unasked_claims(lab, file, cards) if is_whole else ()
    for card in cards:
        writing += card_writing_errors(card)
        errors += _point_errors(card, course.labs[card.lab]) if card.lab else ()
    writing += repeated_answers(cards)
    errors += evidence_errors(course)
    notes += evidence_notes(course)
    return Report(
        problems=tuple(one_line(error) for error in in_order(errors)),
        notes=tuple(one_line(note) for note in in_order(notes)),
        n_decks=len(course.decks),
        n_cards=len(cards),
        n_labs=len(course.labs),
        n_claims=sum(len(lab.claims) for lab in course.labs.values()),
    )


def coverage(course: Course) -> list[TopicCoverage]:
    """Every topic of the outline with the number of cards on each of its points."""
    cards = course.cards.values()
    n_cards = Counter(point for card in cards for point in card.points)
    topics = []
    for topic in course.outline:
        points = {point: n_cards[point] for point in _numbered(topic.number, topic.n_points)}
        asking = sum(1 for card in cards if not points.keys().isdisjoint(card.points))
        topics.append(TopicCoverage(topic.number, topic.title, topic.n_points, points, asking))
    return topics


def _numbered(topic_number: str, n_points: int) -> list[str]:
    return [f"{topic_number}.{i}" for i in range(1, n_points + 1)]


def _unlisted_files(root: Path, manifest: Manifest) -> Iterator[CourseError]:
    """Files in decks/, labs/ and data/results/ that nothing names."""
    decks = {name for name, _ in manifest.deck_names} | {MANIFEST}
    for path in _visible(root / "decks"):
        if path.name not in decks:
            yield _stray(path, f"{MANIFEST} does not list it", "list it, or move it away")
    labs = set(find_labs(root))
    for folder in {path.parent for path in labs}:
        for path in _visible(folder):
            if path not in labs and path.name != "__init__.py":
                hint = "move helpers to a folder without labs"
                yield _stray(path, "no lab: it assigns no QUESTION", hint)
    python = [path for path in walk_files(root / "labs") if path.suffix == ".py"]
    require_bounded(root / "labs", python, MOST_PYTHON_BYTES, "Python")
    for path in python:
        if is_lab(path) and path not in labs:
            yield _stray(path, "no place for a lab", "labs/<folder>/<name>.py")
    ids = [lab_id(path, root) for path in labs]
    results = {path(root, id_) for id_ in ids for path in (results_path, stability_path)}
    for path in walk_files(root / "data" / "results"):
        if path not in results:
            yield _stray(path, "no lab of the course recorded it", "delete it, or add its lab")


def _is_outlined(deck: Deck, outline: tuple[OutlineTopic, ...]) -> bool:
    """Whether the outline has the deck's topics, with the same points."""
    n_points = {topic.number: topic.n_points for topic in outline}
    return all(
        topic.number in n_points
        and topic.points.keys() == set(_numbered(topic.number, n_points[topic.number]))
        for topic in deck.topics
    )


def _topic_errors(document: Document, outline: tuple[OutlineTopic, ...]) -> Iterator[CourseError]:
    """Topics of a deck that the outline does not have, or has with other points."""
    n_points = {topic.number: topic.n_points for topic in outline}
    for node in document.root.entries()["topics"].items():
        fields = node.entries()
        number = fields["number"].text()
        if number not in n_points:
            hint = f"mend the number or add it to {MANIFEST}"
            yield fields["number"].fail(f"the outline has no topic {number}", hint)
            continue
        expected = _numbered(number, n_points[number])
        points = fields.get("points")
        taught = points.entries() if points else {}
        for point in expected:
            if point not in taught:
                yield (points or node).fail(f"point {point} is missing", "say what it teaches")
        for point, text in taught.items():
            if point not in expected:
                hint = f"it ends with {expected[-1]}"
                yield (text.key or text).fail(f"the outline has no point {point}", hint)


def _unasked_points(document: Document, asked: Collection[str]) -> Iterator[CourseError]:
    for node in document.root.entries()["topics"].items():
        points = node.entries().get("points")
        for point, text in (points.entries() if points else {}).items():
            if point not in asked:
                yield (text.key or text).fail(f"no card asks about point {point}", "add one")


def _hidden_in_lab(file: LabFile) -> Iterator[CourseError]:
    """Invisible characters, in the file or by an escape in its header."""
    if (index := first_suspect(file.source)) is not None:
        yield hidden(file.source[index], locate(file.path, file.source, index))
    for name, value in file.assigned.items():
        for node in ast.walk(value) if name.isupper() else ():
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and (index := first_suspect(text)) is not None:
                yield hidden(text[index], file.place(node))


def _unknown_models(lab: LabHeader, file: LabFile, known: Collection[str]) -> Iterator[CourseError]:
    for name in lab.models:
        if name not in known:
            what = f"the course has no model {name}"
            yield file.fail(file.assigned["NEEDS"], what, "data/models.json lists them")


def _lab_point_errors(
    lab: LabHeader, file: LabFile, outline: tuple[OutlineTopic, ...]
) -> Iterator[CourseError]:
    known = {point for topic in outline for point in _numbered(topic.number, topic.n_points)}
    nodes = file.sequence(file.assigned["POINTS"], "POINTS", len(lab.points))
    for point, node in zip(lab.points, nodes, strict=True):
        if point not in known:
            yield file.fail(node, f"the outline has no point {point}", f"see {MANIFEST}")


def _unasked_claims(lab: LabHeader, file: LabFile, cards: Iterable[Card]) -> Iterator[CourseError]:
    asked = {claim for card in cards if card.lab == lab.id for claim in card.claims}
    for claim, (key, _) in file.mapping("CLAIMS").items():
        if claim not in asked:
            yield file.fail(key, f"claim {claim} backs no card", "ask for it, or drop it")


def _point_errors(card: Card, lab: LabHeader) -> Iterator[CourseError]:
    if not set(card.points) & set(lab.points):
        hint = f"it measures {', '.join(lab.points)}"
        yield card_error(card, f"its lab {lab.id} measures none of its points", hint)


def _visible(folder: Path) -> list[Path]:
    unseen = (".", "__pycache__")
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(unseen)]


def _stray(path: Path, what: str, hint: str) -> CourseError:
    return CourseError(what, place=Place(path), hint=hint)
