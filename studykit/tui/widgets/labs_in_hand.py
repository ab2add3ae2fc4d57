"""The labs that go on beside the screen, as text: a mark that is always seen, news of an end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

if TYPE_CHECKING:
    from studykit.study.lab_run import LabRun


def render_mark(runs: Sequence[LabRun]) -> Content:
    """``lab 62 % +2`` while labs run and wait, ``lab done`` until their end was seen."""
    if not runs:
        return Content("")
    run = next((run for run in runs if run.is_going), None)
    n_waiting = sum(run.state == "waiting" for run in runs)
    if run is not None or n_waiting:
        done = f"lab {100 * run.fraction:.0f} %" if run else "lab waits"
        return Content.styled(f"{done} +{n_waiting}" if n_waiting else done, "$text-accent")
    if all(run.result is not None and run.result.status == "done" for run in runs):
        return Content.styled("✓ lab done", "$text-success")
    return Content.styled("! lab ended", "$text-warning")


def render_lab_news(run: LabRun, *, tells_outcome: bool = True) -> Content:
    """How a run ended and the key to it; what came out only if `tells_outcome`."""
    from studykit.study.run_words import render_end

    is_done = run.result is not None and run.result.status == "done" and not run.problem
    mark = ("✓ ", "$text-success") if is_done else ("! ", "$text-warning")
    end = render_end(run, tells_outcome=tells_outcome)
    return Content.assemble(
        mark, f"{run.header.id} {end} — ", ("W", "bold $text-primary"), " shows it"
    )
