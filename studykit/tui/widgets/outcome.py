"""What became of a run, as text: the prediction, the verdicts, the numbers beside their levels."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textual.content import Content

from studykit.course.cards import LabHeader
from studykit.course.designs import replay_command
from studykit.lab.events import Printed
from studykit.lab.results import Prediction, RunResult, SeedResult, Status, invitations
from studykit.study.evidence_words import claims_of, render_budget, render_origin, render_seed
from studykit.study.lab_run import LabRun
from studykit.study.numbers import ladder, summarise
from studykit.study.prediction import FAILS, HOLDS
from studykit.text import clean
from studykit.tui.widgets.card_text import parse_inline, wrap
from studykit.tui.widgets.differences import render_differences
from studykit.tui.widgets.evidence import hang, render_claims
from studykit.tui.widgets.measurements import render_measurements, render_tables

_BROKEN_OFF: dict[Status, str] = {
    "cancelled": "Cancelled",
    "failed": "The lab failed",
    "killed": "The lab broke off",
    "timed out": "Timed out",
    "skipped": "Not run",
}


_EMPHASIS = re.compile(r"\*(?! )([^*\n]+)(?<! )\*")
_TITLES = ("How to read it", "What the literature reports", "Out of scope")
MOST_PRINTED = 4
"""Lines of what a lab has printed that stand beside its numbers."""
_MEASURE = 88
"""Columns of running text: longer lines are hard to read."""


def render_outcome(
    run: LabRun, known: RunResult | None, width: int, *, with_tests: bool
) -> Content:
    """Everything that a finished run says, from how it ended to its last number.

    Where this machine could not run the lab, what is `known` from elsewhere is shown instead.
    `with_tests`: each claim is told with the test that it passed or failed.
    """
    result = run.result
    blocks = [_ending(run, result, width)] if result is not None else []
    if run.problem:
        blocks.append(hang(Content("! "), Content.styled(clean(run.problem), "$text-error"), width))
    if run.prediction is not None:
        blocks.append(render_prediction(run.header, run.prediction, width, is_over=True))
    shown = result
    if result is not None and result.status == "skipped" and known is not None:
        shown = known
        origin = Content.styled(render_origin(run.header, known, result.started_at), "$text-muted")
        blocks += [Content(""), hang(Content.styled("INSTEAD  ", "bold"), origin, width)]
    seeds = shown.seeds if shown else run.seeds
    blocks += _invitations(seeds, width)
    if (printed := render_printed(seeds, width)).plain:
        blocks += [Content(""), printed]
    numbers = render_numbers(seeds, width)
    if shown is None or shown.status != "done":
        return Content("\n").join([*blocks, Content(""), numbers] if numbers.plain else blocks)
    if (told := render_differences(run.header, seeds, width)).plain:
        blocks += [Content(""), told]
    if run.header.parts:
        command = replay_command(run.header, shown.knobs, len(seeds), shown.budget)
        lead = Content.styled("AGAIN  ", "bold $text-accent")
        blocks.append(hang(lead, Content.styled(clean(command), "$text-muted"), width))
    own = claims_of(run.header, run.card)
    others = [claim for claim in run.header.claims if claim not in own]
    for title, claims in (("", own), ("ALSO MEASURED", others)):
        if claims:
            blocks += [Content(""), *([Content.styled(title, "bold")] if title else [])]
            told = render_claims(run.header, run.card, claims, shown, width, with_tests=with_tests)
            blocks.append(told)
    if numbers.plain:
        blocks += [Content(""), Content.styled("ALL NUMBERS", "bold"), numbers]
    # Not before the run: it tells what comes out.
    about = run.header.about.split("\n\n") if run.header.about else []
    return Content("\n").join([*blocks, Content(""), render_about(about, width)])


def render_so_far(header: LabHeader, seeds: Sequence[SeedResult], width: int) -> Content:
    """What is known while the run goes on: prints, differences, numbers."""
    parts = (
        render_printed(seeds, width),
        render_differences(header, seeds, width),
        render_numbers(seeds, width),
    )
    return Content("\n\n").join(part for part in parts if part.plain)


def render_numbers(seeds: Sequence[SeedResult], width: int) -> Content:
    """The measurements of `seeds`, and the tables of the last one."""
    parts = [render_measurements(ladder(summarise(seeds)), width), *render_tables(seeds, width)]
    return Content("\n\n").join(part for part in parts if part.plain)


def render_printed(seeds: Sequence[SeedResult], width: int) -> Content:
    """The last lines of the last seed that has printed something; empty if none has."""
    told = [printed.text for seed in seeds for printed in seed.all(Printed)]
    lines = told[-1].rstrip("\n").split("\n") if told else []
    more = "  the last lines; v shows all" if len(told) > 1 or len(lines) > MOST_PRINTED else ""
    if not lines:
        return Content("")
    rows = [Content(clean(line)).truncate(width, ellipsis=True) for line in lines[-MOST_PRINTED:]]
    head = Content.assemble(("PRINTED", "bold"), (more, "$text-muted"))
    return Content("\n").join([head, *rows])


def render_prediction(
    header: LabHeader, prediction: Prediction, width: int, *, is_over: bool = False
) -> Content:
    """What the learner said, of which claim, and whether it came true if that is known."""
    came_true = {
        True: ("  ✓ right", "bold $text-success"),
        False: ("  ✗ wrong", "bold $text-error"),
        None: ("  ? not decided" if is_over else "", "$text-warning"),
    }[prediction.correct]
    # A bet on a claim says little without it; an option of a card speaks for itself.
    is_bet = prediction.text in (HOLDS, FAILS)
    claim = f"  {header.claims.get(prediction.claim, '')}" if is_bet else ""
    said = parse_inline(clean(prediction.text))
    sure = "" if prediction.confidence is None else f", {prediction.confidence} % sure"
    text = Content.assemble("“", said, "”", sure, came_true, (claim, "$text-muted"))
    return hang(Content.styled("YOU SAID  ", "bold $text-accent"), text, width)


def render_votes(run: LabRun, width: int) -> Content:
    """The claims while the run goes on: what each seed that was judged says."""
    marks = {True: "✓", False: "✗", None: "?"}
    lines = []
    for claim in claims_of(run.header, run.card):
        votes = "".join(marks[seed.claims[claim]] for seed in run.seeds if claim in seed.claims)
        lead = Content.styled(f"{votes.ljust(run.n_seeds, '·')} ", "bold")
        lines.append(hang(lead, Content.styled(run.header.claims[claim], "$text-muted"), width))
    return Content("\n").join(lines)


def _ending(run: LabRun, result: RunResult, width: int) -> Content:
    n = len(result.seeds)
    seeds = "deterministic:" if run.header.deterministic else f"{n} seed{'' if n == 1 else 's'} in"
    if result.status == "done":
        torch = result.versions.get("torch", "")
        parts = [
            f"{seeds} {result.seconds:.1f} s",
            render_budget(result.budget),
            result.device,
            clean(result.machine),
            f"torch {clean(torch)}" if torch else "",
        ]
        done = Content.styled(" · ".join(part for part in parts if part), "$text-muted")
        return hang(Content.styled("DONE  ", "bold"), done, width)
    where = f" in {render_seed(result.seeds[-1].seed, n, run.n_seeds)}" if n else ""
    why = f": {clean(result.message)}" if result.message else ""
    more = " · v shows the log" if result.trace else ""
    style = "bold" if result.status in ("skipped", "cancelled") else "bold $text-error"
    text = Content.assemble(
        (f"{_BROKEN_OFF[result.status]}{where}{why}", style), (more, "$text-muted")
    )
    return hang(Content(""), text, width)


def _invitations(seeds: Sequence[SeedResult], width: int) -> list[Content]:
    """What there is to go through, and how to get there."""
    blocks = []
    for kind, title, invitation in invitations(seeds):
        lead = Content.styled(f"{kind.upper()}  ", "bold $text-accent")
        blocks.append(hang(lead, Content(f"{clean(title)}: {invitation}, with Tab"), width))
    return blocks


def render_about(paragraphs: Sequence[str], width: int) -> Content:
    """A lab's description, or a part of it; a paragraph's title stands out."""
    blocks = []
    for n, paragraph in enumerate(paragraphs):
        text = _EMPHASIS.sub(r"\1", " ".join(clean(paragraph).split()))
        title, dot, rest = text.partition(". ")
        if n == 0:
            title, rest = "The idea", text
        elif not (dot and title.startswith(_TITLES)):
            title, rest = "", text
        lead = Content.styled(f"{title.upper()}  " if title else "", "bold $text-accent")
        lines = wrap(lead + parse_inline(rest), max(1, min(width, _MEASURE)))
        blocks.append(Content("\n").join(lines))
    return Content("\n\n").join(blocks)
