"""``studykit stats``: progress over months, as tables or JSON."""

from __future__ import annotations

import enum
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from studykit.commands.environment import environment
from studykit.commands.terminal import say, say_beside, say_json, say_table, say_wrapped
from studykit.errors import UsageError
from studykit.text import percent, plural

if TYPE_CHECKING:
    from studykit.progress.long_run import Pace, Stretch
    from studykit.progress.stats import Retention
    from studykit.study.statistics import Statistics

N_STRETCHES = 26
"""The latest days, weeks or months that are printed; JSON has all."""
N_OPEN = 10
"""Errors not mended that are printed."""
MONTH_DAYS = 30
"""Days up to today of which the time a day is told."""


class Unit(enum.StrEnum):
    """What retention is told by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def stats(
    ctx: typer.Context,
    by: Annotated[
        Unit, typer.Option(help="Tell true retention by day, week or month.")
    ] = Unit.MONTH,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First study day; default: the first ever."),
    ] = None,
    define: Annotated[bool, typer.Option("--define", help="Say what each figure means.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/json.md).")] = False,
) -> None:
    """Tell how well it stays over months, what it takes, and what the labs have shown."""
    from studykit.study.statistics import read_statistics

    if define:
        _define()
        return
    env = environment(ctx)
    today = env.services.today
    first_day = None if since is None else since.date()
    if first_day is not None and first_day > today:
        raise UsageError(f"--since {first_day} lies ahead", hint=f"today is {today}")
    with env.existing_store() as store:
        runs = [] if store is None else store.run_entries()
        told = read_statistics(env.services, store, runs, first_day)
    if json:
        from studykit.commands.stats_document import statistics_document

        say_json(statistics_document(told))
        return
    _say_retention(told, by)
    _say_prediction(told)
    _say_confidence(told)
    _say_mistakes(told)
    _say_time(told)
    _say_maturity(told)
    _say_mastery(told)
    _say_labs(told)
    say("\nWhat each figure means: studykit stats --define")


def _define() -> None:
    from studykit.study.definitions import DEFINITIONS

    width = max(len(each.figure) for each in DEFINITIONS.values())
    for each in DEFINITIONS.values():
        say_beside(f"{each.figure:<{width}}  ", each.meaning)


def _say_retention(told: Statistics, by: Unit) -> None:
    say(f"True retention (wanted {percent(told.desired_retention)})")
    rows = [
        _stretch("whole log" if days is None else f"{days} days", each)
        for days, each in told.periods
    ]
    stretches = told.retention_by(by.value, told.since)[::-1]
    rows += [_stretch(_begin(each.begin, by), each) for each in stretches[:N_STRETCHES]]
    header = ["", "reviews", "remembered", "95 % interval", "expected", "graded right"]
    say_table(header, rows, numbers=5)
    if len(stretches) > N_STRETCHES:
        say(f"and {plural(len(stretches) - N_STRETCHES, by.value)} before: --json has all")


def _begin(day: date, by: Unit) -> str:
    return {Unit.DAY: f"{day}", Unit.WEEK: f"week of {day}", Unit.MONTH: f"{day:%Y-%m}"}[by]


def _stretch(name: str, each: Stretch) -> list[str]:
    seen = each.seen
    expected = "–" if each.expected is None else percent(each.expected)
    graded = _share_of(seen.right, seen.graded)
    return [name, str(seen.n), *_share(seen), expected, graded]


def _share(seen: Retention) -> tuple[str, str]:
    """The share with its interval, as two cells."""
    if seen.share is None or seen.low is None or seen.high is None:
        return "–", "–"
    return f"{100 * seen.share:.1f} %", f"{100 * seen.low:.0f} to {percent(seen.high)}"


def _say_prediction(told: Statistics) -> None:
    say("\nFSRS: expected and remembered")
    foresight = told.foresight
    if foresight.mean is None or foresight.error is None:
        say("no review of a known card yet")
        return
    rows = [
        [
            f"{100 * each.low:.0f} to {percent(each.high)}",
            str(each.seen.n),
            f"{100 * each.mean:.1f} %",
            *_share(each.seen),
        ]
        for each in foresight.bins
    ]
    rows.append(["all", str(foresight.seen.n), f"{100 * foresight.mean:.1f} %"])
    rows[-1] += _share(foresight.seen)
    say_table(["bin", "reviews", "expected", "remembered", "95 % interval"], rows, numbers=4)
    say(f"error: {100 * foresight.error:.1f} points")


def _say_confidence(told: Statistics) -> None:
    say("\nConfidence: said and right")
    if not told.calibration:
        say("no answers with a confidence yet")
        return
    rows = [
        [f"{each.stated:.0f} %", str(each.outcome.n), *_share(each.outcome)]
        for each in told.calibration
    ]
    say_table(["said", "answers", "right", "95 % interval"], rows, numbers=3)


def _say_mistakes(told: Statistics) -> None:
    say("\nConfidently wrong")
    errors = told.errors
    say(f"{plural(errors.cards, 'card')}, {errors.mended} mended")
    open_ = [mistake for mistake in told.mistakes if not mistake.error.is_mended]
    rows = [
        [each.card.id, each.topic_number, f"{each.error.day}", f"{each.error.confidence} %"]
        for each in open_[:N_OPEN]
    ]
    if rows:
        say_table(["not mended", "topic", "last on", "said"], rows, numbers=1)


def _say_time(told: Statistics) -> None:
    from studykit.progress.markdown import duration

    say("\nTime")
    time = told.time
    a_card = time.seconds_a_card()
    if a_card is None:
        say("nothing answered yet")
        return
    first = told.today - timedelta(days=MONTH_DAYS - 1)
    month = [work for day, work in time.days if day >= first]
    if month:
        a_day = sum(work.taken_ms for work in month) / len(month) / 1000
        say(f"a day: {duration(a_day)}, on {plural(len(month), 'day')} of the last {MONTH_DAYS}")
    say(f"a card: {duration(a_card)} and {time.answers / time.cards:.1f} answers so far")
    say(f"in all: {duration(time.seconds)}, {plural(time.answers, 'answer')}")

    def row(name: str, each: Pace) -> list[str]:
        return [name, str(each.n), duration(each.seconds), _share_of(each.right, each.graded)]

    rows = [
        ["by the card's state:"],
        *(row(state.name.lower(), each) for state, each in time.by_state),
        ["by its kind:"],
        *(row(kind, each) for kind, each in time.by_kind),
        row("all", time.latest),
    ]
    say_table(["latest answers", "n", "median time", "right"], rows, numbers=3)


def _share_of(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"


def _say_maturity(told: Statistics) -> None:
    say("\nMaturity")
    stand = told.maturity
    counts = {
        "unseen": stand.unseen,
        "learning": stand.learning,
        "relearning": stand.relearning,
        "young": stand.young,
        "mature": stand.mature,
        "all": stand.cards,
    }
    rows = [[name, str(n), _share_of(n, stand.cards)] for name, n in counts.items()]
    say_table(["cards", "n", "share"], rows, numbers=2)
    if stand.suspended:
        say(f"suspended, counted above: {stand.suspended}")
    if stand.stability_days is not None:
        say(f"median stability: {plural(round(stand.stability_days), 'day')}")


def _say_mastery(told: Statistics) -> None:
    say("\nMastery by topic")
    rows = [
        [
            f"{topic.number} {topic.title}",
            str(topic.cards),
            str(topic.cards - topic.unseen),
            percent(topic.mastery),
        ]
        for topic in told.topics
    ]
    rows.append(["all", str(told.maturity.cards), "", percent(told.mastery)])
    rows[-1][2] = str(told.maturity.cards - told.maturity.unseen)
    say_table(["topic", "cards", "met", "mastery"], rows, numbers=3, wrapped=0)


def _say_labs(told: Statistics) -> None:
    say("\nLabs and predictions")
    judged = told.predictions
    say(f"{told.n_labs_run} of {plural(len(told.labs), 'lab')} run")
    if judged.n:
        share, interval = _share(judged)
        right = f"{judged.remembered} of {plural(judged.n, 'prediction')} right"
        say_wrapped(f"{right}: {share}, 95 % interval {interval}")
