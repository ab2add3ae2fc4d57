"""``studykit check``: is the course whole? Nothing of it is executed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studykit.commands.environment import course_folder, environment
from studykit.commands.terminal import counted, say, say_json, say_table

if TYPE_CHECKING:
    from studykit.course.check import TopicCoverage


def check(
    ctx: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="Folder of the course; default: --course."),
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Show how many cards ask about each topic.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Check a course both ways, running nothing of it.

    Every card has its lab and claim, every claim its card, every file its place. One line a
    problem, as file:line:column, and exit code 1 if there is any.
    """
    from studykit.course import check as course_check
    from studykit.course.decks import load_course

    root = environment(ctx).root if path is None else course_folder(path)
    report = course_check.check_course(root)
    topics = course_check.coverage(load_course(root)) if coverage else []
    if json:
        say_json(
            {
                "format": 1,
                "course": str(root),
                "cards": report.n_cards,
                "labs": report.n_labs,
                "problems": list(report.problems),
                "coverage": [_document(topic) for topic in topics] if coverage else None,
            }
        )
    else:
        for problem in report.problems:
            say(problem)
        if coverage:
            say_table(
                ["topic", "title", "points", "asked", "cards"],
                [_row(topic) for topic in topics],
                numbers=3,
            )
        found = counted(len(report.problems), "problem")
        say(f"{counted(report.n_cards, 'card')}, {counted(report.n_labs, 'lab')}: {found}")
    if report.problems:
        raise typer.Exit(1)


def _row(topic: TopicCoverage) -> list[str]:
    asked = sum(1 for n_cards in topic.points.values() if n_cards)
    return [
        topic.number,
        topic.title,
        str(topic.n_points),
        str(asked),
        str(sum(topic.points.values())),
    ]


def _document(topic: TopicCoverage) -> dict[str, Any]:
    return {
        "topic": topic.number,
        "title": topic.title,
        "n_points": topic.n_points,
        "points": dict(topic.points),
    }
