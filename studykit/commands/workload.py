"""``studykit workload``: what a year costs and brings at each desired retention."""

from __future__ import annotations

from typing import Annotated

import typer

from studykit.commands.environment import environment
from studykit.commands.terminal import say, say_json, say_table, say_wrapped
from studykit.text import percent


def workload(
    ctx: typer.Context,
    new: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, max=9999, help="New cards a day; default: the setting new_per_day."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Show minutes a day and remembered cards for each desired retention.

    A year from today, simulated with your own weights, ratings and answer times.
    """
    from studykit.study.year_ahead import read_year_ahead, shown_retentions

    env = environment(ctx)
    with env.existing_store() as store:
        year = read_year_ahead(env.services, store)
    new_per_day = env.settings.review.new_per_day if new is None else new
    outlooks = year.ahead.outlooks(new_per_day, year.n_unseen)
    desired = env.settings.review.desired_retention
    if json:
        say_json(
            {
                "format": 1,
                "new_per_day": new_per_day,
                "unseen": year.n_unseen,
                "known": year.ahead.n_known,
                "desired_retention": desired,
                "retentions": [
                    {
                        "retention": each.retention,
                        "answers_a_day": each.answers_a_day,
                        "minutes_a_day": each.minutes_a_day,
                        "met": each.n_met,
                        "remembered": each.remembered,
                    }
                    for each in outlooks
                ],
            }
        )
        return
    say_wrapped(
        f"A year from today: {new_per_day} new cards a day until all {year.n_unseen:,} are met,"
        f" {year.ahead.n_known:,} known already; every card answered on the day it is due."
    )
    say()
    shown = shown_retentions(desired)
    rows = [
        [
            f"{each.retention:.2f}" + (" (set)" if abs(each.retention - desired) < 0.005 else ""),
            f"{each.minutes_a_day:.1f}",
            f"{each.answers_a_day:.1f}",
            f"{each.remembered:,.0f}",
            percent(each.remembered / each.n_met) if each.n_met else "",
        ]
        for each in outlooks
        if each.retention in shown
    ]
    header = [
        "desired retention",
        "minutes a day",
        "answers a day",
        "remembered then",
        "of all met",
    ]
    say_table(header, rows, numbers=4)
