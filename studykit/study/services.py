"""What screens and commands share: the course, the progress, the running of labs.

Built before the first paint, so SQLModel, FSRS and YAML are imported where they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from studykit.clock import Clock, study_day, to_ms
from studykit.course.source import one_line, stamp_decks, stamp_folder
from studykit.errors import CourseError, SettingsError, StoreError
from studykit.files import stamp_of
from studykit.settings import Paths, Settings
from studykit.study.lab_queue import LabQueue
from studykit.text import plural

if TYPE_CHECKING:
    from studykit.course.cache import CourseReader
    from studykit.course.cards import Card, Course, Knobs, LabHeader
    from studykit.course.contents import AnyCard, AnyCourse
    from studykit.course.cover import Cover
    from studykit.course.models import ShelfModel
    from studykit.lab.process import LabRunner
    from studykit.lab.results import Prediction, RunResult
    from studykit.lab.stability import Sample
    from studykit.progress.runs import RunEntry
    from studykit.progress.store import Store
    from studykit.review.plan import Plan
    from studykit.review.practice import Mode, Practice
    from studykit.review.schedule import Scheduler
    from studykit.review.session import Part, Session
    from studykit.review.study_queue import Limits
    from studykit.study.bench import Bench
    from studykit.study.lab_run import LabRun


N_RESULTS = 16
"""Results of the learner's own runs that stay in memory."""


class Services:
    """The one object that the app hands to its screens as ``app.services``."""

    settings: Settings
    paths: Paths
    clock: Clock
    store: Store | None
    """The progress; None until `open` has opened it."""
    runs: list[RunEntry]
    """The learner's own runs of labs without what they measured, oldest first; empty until
    `open`. `result_of` gives the whole of one."""
    warning: str
    """What went wrong as the progress was opened without keeping it from being used, or is broken
    in the learner's own deck; or empty."""
    labs: LabQueue
    """The labs that were started; they outlive the screens that started them."""
    shows_tests: bool
    """Evidence is shown with the tests of its claims."""

    def __init__(
        self,
        course: Course | CourseReader,
        settings: Settings,
        paths: Paths,
        clock: Clock,
        open_store: Callable[[], Store],
    ) -> None:
        self._source = course
        self.settings = settings
        self.paths = paths
        self.clock = clock
        self.store = None
        self.runs = []
        self.warning = ""
        self.labs = LabQueue()
        self.shows_tests = False
        self._deck_stamp = self._stamp()
        self._settings_stamp = stamp_of(paths.settings_file)
        self._open_store = open_store
        self._results: dict[int, RunResult | None] = {}
        self._recorded: dict[str, tuple[RunResult, ...]] = {}
        self._samples: dict[str, tuple[Sample, ...]] = {}
        self._weights: tuple[float, ...] | None = None
        self._scheduler: Scheduler | None = None

    @cached_property
    def course(self) -> Course:
        """The whole course; a large one takes longer than the first paint may."""
        from studykit.course.cards import Course
        from studykit.course.own import with_own_deck

        course = self._source if isinstance(self._source, Course) else self._source.course
        return with_own_deck(course, self.paths.own_decks_dir)

    @cached_property
    def cards(self) -> dict[str, Card]:
        """Card id -> card, of every deck that could be read."""
        return self.course.cards

    @property
    def cover(self) -> Cover:
        """What is shown of the course before all of it is there."""
        return self.course.cover if self._is_whole else self._source.cover

    @property
    def contents(self) -> AnyCourse:
        """What the course lists; the whole of it where that is there already."""
        from studykit.course.cards import Course

        if self._is_whole or isinstance(self._source, Course):
            return self.course
        return self._source.contents

    @property
    def listed(self) -> Mapping[str, AnyCard]:
        """Card id -> card, of `contents`."""
        return self.cards if self._is_whole else self._listed

    @cached_property
    def _listed(self) -> Mapping[str, AnyCard]:
        return self.contents.cards

    @property
    def _is_whole(self) -> bool:
        """Whether nothing less than the whole course will do, or it is there already."""
        return "course" in self.__dict__ or any(self.paths.own_decks_dir.glob("*.yaml"))

    def reload_decks(self, deck: Path | None = None) -> None:
        """Take up the course as it is now; raises `CourseError` and leaves it if a deck broke.

        With `deck` any mistake in that one counts; without, only one that costs a whole deck which
        could be read before.
        """
        from studykit.course.decks import reread_course
        from studykit.course.own import own_deck_path, require_own_deck, with_own_deck

        old, folder = self.course, self.paths.own_decks_dir
        self._deck_stamp = self._stamp()
        new = reread_course(old, deck)
        if deck is None or deck == own_deck_path(folder, old.id):
            require_own_deck(new, folder)
        self.course = with_own_deck(new, folder)
        self.cards = self.course.cards

    def _stamp(self) -> Hashable:
        """Differs from an earlier one if a deck was changed since, the learner's own included."""
        return stamp_decks(self._source.root), stamp_folder(self.paths.own_decks_dir)

    def make_card(self, header: LabHeader, result: RunResult) -> str:
        """Make a card of a what-if question, in the learner's own deck, and take it up; its id.

        Raises `StudykitError` where none can be made of it.
        """
        from studykit.study.own_cards import make_card

        card_id = make_card(self.course, self.paths.own_decks_dir, header, result)
        self.reload_decks()
        return card_id

    @property
    def _pins_file(self) -> Path:
        return self.paths.pins_dir / f"{self.course.id}.json"

    def pin(self, header: LabHeader, knobs: Knobs, card: Card) -> bool:
        """Let the question stand beside the card's answer; False if it does already.

        Raises `StudykitError` if that cannot be kept.
        """
        from studykit.study.pins import Pin, add_pin

        return add_pin(self._pins_file, Pin(card.id, header.id, {**header.defaults, **knobs}))

    def pinned(self, card: Card) -> list[str]:
        """What the questions pinned to `card` have found, one text each, the oldest first."""
        with suppress(OSError):  # which is told below
            if not self._pins_file.exists():
                return []
        from studykit.study.pins import load_pins
        from studykit.study.what_if import describe_outcome

        try:
            pins = [pin for pin in load_pins(self._pins_file) if pin.card_id == card.id]
        except CourseError as error:
            return [f"! {error}"]
        told = []
        for pin in pins:
            header = self.course.labs.get(pin.lab)
            if header is None:
                told.append(f"{pin.lab} is no longer in the course")
            else:
                told.append(describe_outcome(header, pin.knobs, self._latest(header, pin.knobs)))
        return told

    def _latest(self, header: LabHeader, knobs: Knobs) -> RunResult | None:
        """The learner's latest complete run at `knobs`, with however many seeds, else the recorded.

        What it says of claims does not count here: that takes the lab's own seeds.
        """
        wanted = header.defaults | dict(knobs)
        alike = (
            run
            for run in reversed(self.runs)
            if (run.lab, dict(run.knobs), run.budget) == (header.id, wanted, 1) and run.is_complete
        )
        own = next(alike, None)
        found = None if own is None else self.result_of(own)
        return found or self.evidence_at(header, knobs)

    def reload_changed_decks(self) -> str:
        """What became of decks that were changed on the disk, in one line; empty if none was.

        A deck that broke leaves all as it was, until its file changes again.
        """
        if self._stamp() == self._deck_stamp:
            return ""
        before = self.cards
        try:
            self.reload_decks()
        except CourseError as error:
            return f"! the changed decks are not taken over, the old cards stay: {error}"
        return _describe_changes(before, self.cards)

    def reload_changed_settings(self) -> str:
        """What is wrong with settings that were changed on the disk, in one line; else they count.

        Keys and looks are those of the start.
        """
        from studykit.settings_file import load_settings

        stamp = stamp_of(self.paths.settings_file)
        if stamp == self._settings_stamp:
            return ""
        self._settings_stamp = stamp
        try:
            new = load_settings(self.paths.settings_file)
        except SettingsError as error:
            return f"! the changed settings are not taken over: {error}"
        self.settings = replace(self.settings, review=new.review, lab=new.lab)
        return ""

    def open(self) -> None:
        """Open the progress and read what the screens need; slow, so call it in a thread.

        Raises `StoreError` when the database cannot be used.
        """
        from studykit.review.schedule import is_behind

        store = self._open_store()
        self._back_up(store)
        latest = store.latest_answer_at()
        if latest is not None and is_behind(self.clock.now(), latest):
            when = f"{latest.astimezone(self.clock.now().tzinfo):%d %b %Y %H:%M}"
            self.warning = f"the clock stands before the last answer, of {when}: is it right?"
        self.warning = self.warning or self._own_deck_trouble()
        self.runs = store.run_entries()
        self.use_weights(store)
        self.store = store

    def _own_deck_trouble(self) -> str:
        """The first mistake of the learner's own deck, in one line; empty if it has none."""
        from studykit.course.own import require_own_deck

        try:
            require_own_deck(self.course, self.paths.own_decks_dir)
        except CourseError as error:
            place = error.place and replace(error.place, path=Path(error.place.path.name))
            short = CourseError(error.what, place=place, hint=error.hint)
            return f"in your own deck, {one_line(short)}"
        return ""

    def back_up(self) -> str:
        """Make the copy of a day that has turned; why it was not made, empty if it was."""
        self._back_up(self.progress)
        return self.warning

    def _back_up(self, store: Store) -> None:
        self.warning = ""
        try:
            store.back_up(self.today)
        except StoreError as error:  # a missing copy must not stop the study
            self.warning = f"no copy of the progress was made: {error}"

    async def run_labs(self, on_end: Callable[[LabRun], object]) -> None:
        """Run the labs in line until none waits; `on_end` hears of each that has ended."""
        device = self.settings.lab.device
        await self.labs.work(self.runner, device, self.record_run, on_end)

    def cancel_lab(self, run: LabRun) -> None:
        """Stop the run, or take it out of the line."""
        self.labs.cancel(run, self.runner)

    async def close(self) -> None:
        """Stop the labs' process, if there is one, and close the progress."""
        if "runner" in self.__dict__:
            await self.runner.close()
        if self.store is not None:
            self.store.close()
            self.store = None

    @property
    def progress(self) -> Store:
        """The opened store; raises `StoreError` before `open` has succeeded."""
        if self.store is None:
            raise StoreError("the progress is not open yet")
        return self.store

    @property
    def today(self) -> date:
        """The study day that it is now."""
        return study_day(self.clock.now(), self.settings.review.rollover_hour)

    @property
    def scheduler(self) -> Scheduler:
        """FSRS with the learner's settings and the weights in use, as `use_weights` has them."""
        from studykit.review.schedule import Scheduler, ScheduleSettings

        weights = () if self._weights is None else (self._weights,)
        settings = ScheduleSettings.from_settings(self.settings.review, *weights)
        if self._scheduler is None or self._scheduler.settings != settings:
            self._scheduler = Scheduler(settings)
        return self._scheduler

    def use_weights(self, store: Store) -> None:
        """Schedule by the weights in use in `store` from now on; until then, by the defaults."""
        self._weights = store.weights_in_use()

    @property
    def plan(self) -> Plan:
        """Days off, exams and what is wanted of each deck, as the settings have them now."""
        from studykit.review.plan import Plan

        contents = self.contents
        return Plan.build(self.settings.review, contents.id, contents.retention)

    def change_plan(self, values: Mapping[str, object]) -> None:
        """Put `values` into the table ``[review]`` of the settings, and go by them from now on.

        Raises `SettingsError` where they are wrong or cannot be written: nothing has changed then.
        """
        from studykit.settings_file import keep_settings

        self.settings = keep_settings(self.paths.settings_file, "review", values)

    @property
    def desired_retention(self) -> float:
        """What is wanted of the course's cards, on average."""
        plan, usual = self.plan, self.scheduler.settings.desired_retention
        cards = {deck.id: len(deck.cards) for deck in self.contents.decks}
        if not any(cards.values()):
            return plan.desired_retention or usual
        wanted = ((plan.retention_of(deck) or usual) * n for deck, n in cards.items())
        return sum(wanted) / sum(cards.values())

    @property
    def limits(self) -> Limits:
        """The learner's limits of a usual day."""
        from studykit.review.study_queue import Limits

        review = self.settings.review
        return Limits(
            new_per_day=review.new_per_day,
            reviews_per_day=review.reviews_per_day,
            backlog_per_day=review.backlog_per_day,
        )

    def open_session(self, n_more_new: int = 0, part: Part | None = None) -> Session:
        """A sitting on today's cards, with `n_more_new` beyond the day's limit of new ones.

        `part`: only the cards of a deck or a topic.
        """
        from studykit.review.session import Session

        self.use_weights(self.progress)  # another window may have fitted others
        return Session(
            self.cards,
            self.progress,
            self.scheduler,
            self.limits,
            self.clock,
            n_more_new,
            part,
            self.runs_of,
            self.plan,
        )

    def open_practice(self, mode: Mode, ids: Sequence[str], title: str) -> Practice:
        """A practice of the cards `ids`, which the schedule never learns of."""
        from studykit.review.practice import Practice

        store = self.progress
        return Practice(
            mode,
            ids,
            self.cards,
            store.memories(),
            store.marks(self.today),
            store,
            self.scheduler.study_day,
            self.clock,
            to_ms(self.clock.now()),
            title,
            self.runs_of,
        )

    @cached_property
    def runner(self) -> LabRunner:
        """Runs labs of this course, each in a child process."""
        return self.build_runner()

    def build_runner(self, threads: int = 0) -> LabRunner:
        """One more of them; its labs compute with `threads` if the settings name no number."""
        from studykit.lab.process import LabRunner

        lab = self.settings.lab
        return LabRunner(
            self.course.root,
            threads=lab.threads or threads,
            time_limit_s=lab.time_limit_seconds,
            clock=self.clock,
        )

    @cached_property
    def bench(self) -> Bench:
        """The learner's own versions of the course's labs."""
        from studykit.study.bench import Bench

        return Bench(self.course, self.paths.bench_dir)

    def lab_of(self, card: Card) -> LabHeader | None:
        """The lab behind `card`, or None if it could not be read."""
        return self.course.labs.get(card.lab)

    def evidence(self, card: Card) -> RunResult | None:
        """The learner's latest complete run with the card's knobs, else the recorded one."""
        header = self.lab_of(card)
        return None if header is None else self.evidence_at(header, card.knobs)

    def evidence_at(self, header: LabHeader, knobs: Knobs) -> RunResult | None:
        """As `evidence`, for a lab at any knobs; those not named have their defaults."""
        from studykit.lab.recorded import find_evidence, own_evidence
        from studykit.lab.stability import samples_or_none, with_patience

        mine = map(self.result_of, own_evidence(header, knobs, self.runs))
        own = next((result for result in mine if result is not None), None)
        found = find_evidence(header, knobs, own, self.recorded(header.id))
        if header.id not in self._samples:
            self._samples[header.id] = samples_or_none(self.course.root, header.id)
        return with_patience(found, header, self._samples[header.id])

    def runs_of(self, card: Card) -> Iterator[RunResult]:
        """What an exercise is drawn from: the card's evidence, then the recorded run."""
        from studykit.lab.recorded import find_evidence

        if (header := self.lab_of(card)) is None:
            return
        found = self.evidence(card)
        if found is not None:
            yield found
        if found is None or not found.recorded:
            shipped = find_evidence(header, card.knobs, None, self.recorded(header.id))
            if shipped is not None:
                yield shipped

    def recorded(self, lab_id: str) -> tuple[RunResult, ...]:
        """The runs that ship with the course, read once."""
        if lab_id not in self._recorded:
            from studykit.lab.recorded import recorded_runs

            self._recorded[lab_id] = recorded_runs(self.course.root, lab_id)
        return self._recorded[lab_id]

    def cost_of(self, header: LabHeader, knobs: Knobs | None = None) -> str:
        """How long a run takes, in words: as the learner's own runs took, else as the lab says.

        Of knobs with which it was not run here yet, the time of the default knobs is told.
        """
        from studykit.study.evidence_words import about_seconds, render_seconds
        from studykit.study.run_history import seconds_here

        for turned in (knobs or header.defaults, header.defaults):
            if (seconds := seconds_here(header, self.runs, turned)) is not None:
                return f"{about_seconds(seconds)} here"
        return render_seconds(header)

    def lacking(self, header: LabHeader, knobs: Knobs) -> list[ShelfModel]:
        """The models that the lab needs with `knobs` and that are not installed as they should."""
        if not header.models:
            return []
        from studykit.course.models import models_or_none
        from studykit.lab.shelf import lacking

        return lacking(models_or_none(self.course.root), header, knobs)

    def missing_models(self) -> list[ShelfModel]:
        """The models of the course that are not installed as they should be."""
        from studykit.course.models import models_or_none
        from studykit.lab.shelf import state_of

        models = models_or_none(self.course.root).values()
        return [model for model in models if state_of(model) != "installed"]

    def record_run(
        self, result: RunResult, card: Card | None, prediction: Prediction | None
    ) -> RunEntry:
        """Store a run of the learner's, whatever became of it, with what was predicted."""
        from studykit.progress.runs import RunEntry

        card_id = card.id if card else None
        run_id = self.progress.record_run(result, card_id=card_id, prediction=prediction)
        entry = RunEntry.of(run_id, result, card_id, prediction)
        self._keep(run_id, result)
        self.runs.append(entry)
        return entry

    def result_of(self, entry: RunEntry) -> RunResult | None:
        """All that one of `runs` measured; None if it cannot be read. The latest are kept."""
        if entry.id not in self._results:
            try:
                stored = self.progress.run(entry.id)
            except StoreError:  # a card is shown with what else is known
                return None
            self._keep(entry.id, None if stored is None else stored.result)
        return self._results[entry.id]

    def _keep(self, run_id: int, result: RunResult | None) -> None:
        if len(self._results) >= N_RESULTS:
            del self._results[next(iter(self._results))]
        self._results[run_id] = result


def _describe_changes(before: Mapping[str, Card], after: Mapping[str, Card]) -> str:
    n_new, n_gone = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    common = before.keys() & after.keys()
    # A card that has only moved in its file is the same.
    n_other = sum(replace(before[id_], place=after[id_].place) != after[id_] for id_ in common)
    parts = [
        f"{plural(n_other, 'card')} changed" if n_other else "",
        f"{n_new} new" if n_new else "",
        f"{n_gone} gone, answers kept" if n_gone else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f"The decks were changed: {told}" if told else ""
