"""``studykit review``: today's cards, on the screens or line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from studykit.commands.environment import environment
from studykit.commands.screens import open_screens
from studykit.errors import UsageError

if TYPE_CHECKING:
    from studykit.review.offers import Wish


def review(
    ctx: typer.Context,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Line by line, for screen readers, dumb terminals and pipes."),
    ] = False,
    new: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With N new cards more than today's limit."),
    ] = None,
    deck: Annotated[
        str | None,
        typer.Option(metavar="DECK", help="Only the cards of a deck or deck/topic."),
    ] = None,
    ahead: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=36_500,
            metavar="DAYS",
            help="Practise what falls due within DAYS; schedule untouched.",
        ),
    ] = None,
    cram: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Practise a deck, deck/topic, flagged, leeches or wrong; schedule untouched.",
        ),
    ] = None,
    pretest: Annotated[
        str | None,
        typer.Option(
            metavar="DECK", help="Answer the new cards of a deck or deck/topic before learning."
        ),
    ] = None,
) -> None:
    """Review the cards that are due, or practise beside the schedule.

    Without --plain this opens the screens, as studykit alone does.
    """
    wish = _the_wish(new=new, deck=deck, ahead=ahead, cram=cram, pretest=pretest)
    env = environment(ctx)
    if not plain:
        raise typer.Exit(open_screens(env, wish))
    if wish is None or wish.kind in ("new", "deck"):
        from studykit.commands.review_plain import review_line_by_line

        raise typer.Exit(review_line_by_line(env.services, wish))
    from studykit.commands.practice_plain import practise_line_by_line

    raise typer.Exit(practise_line_by_line(env.services, wish))


def _the_wish(**options: int | str | None) -> Wish | None:
    """The one option that is given; raises `UsageError` if there are more."""
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        names = " and ".join(f"--{name}" for name in given)
        raise UsageError(f"{names} do not go together", hint="give one of them")
    if not given:
        return None
    from studykit.review.offers import Wish

    ((name, value),) = given.items()
    return Wish(cast("Any", name), str(value))
