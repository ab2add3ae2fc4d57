"""A card's lab run line by line: asked for trust, told of its progress, its result kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studykit.commands.terminal import say, say_wrapped
from studykit.errors import StudykitError
from studykit.lab.process import LabMessage, run_lab
from studykit.lab.trust import is_trusted, remember
from studykit.study.knob_values import parse_knob
from studykit.study.lab_run import LabRun, is_worth_keeping
from studykit.study.picture_words import describe_pictures
from studykit.study.prediction import score
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.course.cards import Card, Knobs, LabHeader
    from studykit.lab.results import Prediction, RunResult
    from studykit.study.services import Services


def run_on_own_text(services: Services, header: LabHeader, card: Card) -> None:
    """Ask for the texts that the lab takes, run one seed on them, and read what was drawn."""
    knobs = dict(card.knobs)
    for name in header.own_texts:
        default = {**header.defaults, **knobs}[name]
        say_wrapped(f"{name}: {header.knob_help.get(name, 'a text of your own')}.")
        while text := input(f"Enter keeps {clean(str(default))!r}: "):
            try:
                knobs[name] = parse_knob(header, name, text)
                break
            except ValueError as error:
                say_wrapped(f"It must be {error}.")
    result = run_card_lab(services, header, card, None, knobs=knobs, n_seeds=1)
    if result is not None and result.seeds:
        say_wrapped(*describe_pictures(result.seeds[0]))


def run_card_lab(
    services: Services,
    header: LabHeader,
    card: Card,
    prediction: Prediction | None,
    *,
    knobs: Knobs | None = None,
    n_seeds: int | None = None,
) -> RunResult | None:
    """Run the lab with the card's knobs, if the learner trusts the course; the result, kept.

    Or with other knobs, or with so many seeds: that is no evidence for the card.
    """
    if not _asked_for_trust(services):
        say("Nothing was run.")
        return None
    chosen = dict(card.knobs if knobs is None else knobs)
    run = LabRun(header, chosen, card, prediction, n_seeds=n_seeds)
    lab = services.settings.lab
    say(f"Running {header.id}; Ctrl-C stops it.")
    try:
        result = run_lab(
            services.course.root,
            header,
            run.knobs,
            range(run.n_seeds),
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
        return None
    why = f": {result.message}" if result.message else ""
    say(f"The lab has ended, {result.status}{why}.")
    return result


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
