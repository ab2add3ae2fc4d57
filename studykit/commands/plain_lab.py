"""A card's lab run line by line: asked for trust, told of its progress, its result kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studykit.commands.terminal import say
from studykit.errors import StudykitError
from studykit.lab.process import LabMessage, run_lab
from studykit.lab.trust import is_trusted, remember
from studykit.study.lab_run import LabRun, is_worth_keeping
from studykit.study.prediction import score
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.course.cards import Card, LabHeader
    from studykit.lab.results import Prediction
    from studykit.study.services import Services


def run_card_lab(
    services: Services, header: LabHeader, card: Card, prediction: Prediction | None
) -> None:
    """Run the lab with the card's knobs and keep the result, if the learner trusts the course."""
    if not _asked_for_trust(services):
        say("Nothing was run.")
        return
    run, lab = LabRun(header, dict(card.knobs), card, prediction), services.settings.lab
    say(f"Running {header.id}; Ctrl-C stops it.")
    try:
        result = run_lab(
            services.course.root,
            header,
            run.knobs,
            range(header.seeds),
            lab.device,
            _Progress(run).take,
            threads=lab.threads,
            time_limit_s=lab.time_limit_seconds,
            clock=services.clock,
            preload=(),  # nothing waits ahead of it: it imports what it needs
        )
        said = score(prediction, header, card, result) if prediction else None
        if is_worth_keeping(result):
            services.record_run(result, card, said)
    except StudykitError as error:
        say(f"There is no result to keep: {error}")
        return
    why = f": {result.message}" if result.message else ""
    say(f"The lab has ended, {result.status}{why}.")


def _asked_for_trust(services: Services) -> bool:
    """True if the course's labs may run; asked once for a course from elsewhere."""
    root, data_dir = services.course.root, services.paths.data_dir
    if is_trusted(root, data_dir):
        return True
    say(f"Running a lab executes programs in {root}.")
    question = "Do you trust them? y for yes, own if they are yours and may change: "
    answer = input(question).strip().casefold()
    if answer not in ("y", "yes", "own"):
        return False
    remember(root, data_dir, as_own=answer == "own")
    return True


class _Progress:
    """A line at each quarter of a run: few enough to be listened to."""

    def __init__(self, run: LabRun) -> None:
        self._run = run
        self._n_reported = 0

    def take(self, message: LabMessage) -> None:
        """Let a message of the runner change the run, and say how far it is."""
        run = self._run
        run.take(message)
        n_quarters = int(4 * run.fraction)
        if self._n_reported < n_quarters < 4:
            self._n_reported = n_quarters
            told = (f"{25 * n_quarters} percent", run.where, clean(run.progress.note))
            say(", ".join(filter(None, told)))
