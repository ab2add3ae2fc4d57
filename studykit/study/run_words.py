"""What is said of a run: how far it is while it is in hand, and how it ended. In words alone."""

from __future__ import annotations

from collections import Counter

from studykit.lab.events import Printed
from studykit.lab.results import Status
from studykit.study.evidence_words import claims_of
from studykit.study.lab_run import LabRun
from studykit.study.prediction import FAILS, HOLDS
from studykit.text import clean

_ENDINGS: dict[Status, str] = {
    "cancelled": "was cancelled",
    "failed": "failed",
    "killed": "broke off",
    "timed out": "timed out",
    "skipped": "could not be run here",
}
_CAME_TRUE = {True: "right", False: "wrong", None: "not decided"}


def render_log(run: LabRun) -> str:
    """What each seed has printed, then how a run ended that broke off."""
    parts = []
    for seed in run.seeds:
        for printed in seed.all(Printed):
            parts.append(f"seed {seed.seed} printed\n\n{printed.text}")
    if run.result is not None and run.result.trace:
        parts.append(run.result.trace)
    return "\n".join(parts)


def render_state(run: LabRun, cost: str = "") -> str:
    """How far the run is: ``waits, 2 ahead``, ``runs, 62 %, 3 s left``, ``done: refuted``.

    `cost` says how long a run takes, for one that has not begun.
    """
    if run.state == "waiting":
        ahead = f"waits, {run.n_ahead} ahead" if run.n_ahead else "begins"
        return f"{ahead}, {cost}" if cost else ahead
    if run.state == "cancelling":
        return "is being cancelled"
    if run.is_going:
        left = run.remaining_s
        return f"runs, {100 * run.fraction:.0f} %" + (f", {left:.0f} s left" if left else "")
    return render_end(run)


def render_end(run: LabRun, *, tells_outcome: bool = True) -> str:
    """How the run ended and, if `tells_outcome`, what came out beside what was said before."""
    result = run.result
    if run.problem:
        return f"is not saved: {clean(run.problem)}"
    if result is None or result.status != "done":
        ending = _ENDINGS[result.status] if result else "was not run"
        return f"{ending}: {clean(result.message)}" if result and result.message else ending
    if not tells_outcome:
        return "done; its outcome stands with the answer"
    return f"done: {_outcome(run)}"


def _outcome(run: LabRun) -> str:
    """The verdict of one claim and the bet on it; of several, how many have which verdict."""
    said, result = run.prediction, run.result
    assert result is not None
    if said is not None and said.text not in (HOLDS, FAILS):
        return f"you said “{clean(said.text)}”, {_CAME_TRUE[said.correct]}"
    claims = (said.claim,) if said is not None else claims_of(run.header, run.card)
    verdicts = [result.verdicts.get(claim, "undecided") for claim in claims]
    if said is not None:
        bet = "it holds" if said.text == HOLDS else "it does not hold"
        return f"{verdicts[0]}, you said {bet}"
    if len(verdicts) == 1:
        return verdicts[0]
    return ", ".join(f"{n} {verdict}" for verdict, n in Counter(verdicts).items())
