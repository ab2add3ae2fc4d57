"""``studykit check``: is the course whole? Nothing of it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import course_folder, environment
from studykit.commands.terminal import say, say_json, say_table
from studykit.text import plural

if TYPE_CHECKING:
    from studykit.course.cards import Course
    from studykit.study.check import TopicCoverage


def check(
    ctx: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="Folder of the course; default: --course."),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show how many cards ask about each point.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Check a course both ways, running nothing of it.

    Every card has its lab and claim, every claim its card, every file its place. One line a
    problem, as file:line:column, and exit code 1 if there is any.
    """
    from studykit.course.decks import load_course
    from studykit.study import check as course_check

    root = environment(ctx).root if path is None else course_folder(path)
    report = course_check.check_course(root)
    course = load_course(root) if coverage else None
    topics = course_check.coverage(course) if course else []
    if json:
        say_json(
            {
                "format": 1,
                "course": str(root),
                "cards": report.n_cards,
                "labs": report.n_labs,
                "problems": list(report.problems),
                "notes": list(report.notes),
                "coverage": [_document(topic) for topic in topics] if coverage else None,
            }
        )
    else:
        for problem in report.problems:
            say(problem)
        for note in report.notes:
            say(f"note: {note}")
        if course:
            rows = [row for topic in topics for row in _rows(topic, course)]
            say_table(["point", "cards", "what it teaches"], rows, numbers=0)
        found = plural(len(report.problems), "problem")
        say(f"{plural(report.n_cards, 'card')}, {plural(report.n_labs, 'lab')}: {found}")
    if report.problems:
        raise typer.Exit(1)


def _rows(topic: TopicCoverage, course: Course) -> list[list[str]]:
    """The topic, and below it each of its points in the words of the deck that teaches it."""
    taught = [taught for deck in course.decks for taught in deck.topics]
    words = next((dict(each.points) for each in taught if each.number == topic.number), {})
    n_asked = sum(1 for n_cards in topic.points.values() if n_cards)
    head = f"{topic.title}: {n_asked} of {topic.n_points} points asked"
    return [
        [topic.number, str(topic.n_cards), head],
        *(
            [point, str(n_cards), words[point]]
            for point, n_cards in topic.points.items()
            if point in words
        ),
    ]


def _document(topic: TopicCoverage) -> dict[str, Any]:
    return {
        "topic": topic.number,
        "title": topic.title,
        "n_points": topic.n_points,
        "points": dict(topic.points),
        "n_cards": topic.n_cards,
    }
