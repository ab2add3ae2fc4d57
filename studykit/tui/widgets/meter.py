"""How far a run is, in one line: a bar, the seed, what is being done, the time."""

from __future__ import annotations

from textual.content import Content

from studykit.study.lab_run import LabRun
from studykit.text import clean
from studykit.tui.widgets.bar import render_bar


def render_meter(run: LabRun, width: int) -> Content:
    """The state of `run` in `width` columns."""
    elapsed = f"{run.elapsed_s:.0f} s"
    if run.state == "starting":
        return Content.assemble(("starting torch…", "bold $text-accent"), f"  {elapsed}")
    if run.state == "cancelling":
        return Content.assemble(("cancelling…", "bold $text-warning"), f"  {elapsed}")
    n_seeds = run.header.seeds
    seed = f"seed {max(1, run.n_begun)} of {n_seeds}" if n_seeds > 1 else ""
    where = f"{seed} on {run.device}".strip()
    note = clean(run.progress.note).replace("\n", " ")
    remaining = run.elapsed_s * (1 - run.fraction) / run.fraction if run.fraction > 0.1 else None
    left = "" if remaining is None else f" · {remaining:.0f} s left"
    tail = Content.styled(f"  {elapsed}{left}", "$text-muted")
    text = Content.assemble(
        render_bar(run.fraction, max(10, width // 6)),
        (f" {100 * run.fraction:3.0f} %", "bold"),
        f"  {' · '.join(part for part in (where, note) if part)}",
    )
    text = text.truncate(width - tail.cell_length, ellipsis=True, pad=True)
    return Content.assemble(text, tail)
