"""Two windows on one progress, used in turn by chance, and what must hold whatever they do.

Run as ``python -m tests.review.interleavings FIRST N`` for N of them. Each is a walk of `N_STEPS`
steps: a window rates, looks at an answer, undoes, puts a card aside, flags it, is opened anew, or
time passes, the study day turns, the clock or the time zone is changed.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from studykit.clock import FixedClock
from studykit.course.cards import Card
from studykit.progress.store import Store
from studykit.review.plan import Plan
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import ElsewhereError, Part, Review, Session
from studykit.review.study_queue import Limits, build_queue
from tests.review.helpers import MONDAY, make_card

N_STEPS = 60
LIMITS = Limits(new_per_day=3, reviews_per_day=4)
SCHEDULER = Scheduler(ScheduleSettings())
PLAN = Plan(
    is_balanced=True,
    easy_days={2: 0.5, 6: 0.0},
    retention={"core": 0.93},
    exams={"core": MONDAY.date() + timedelta(days=20)},
)
"""Of every second walk: days are chosen by what is due, which each window knows as of its own."""
MOST_TO_FINISH = 200
"""Ratings within which the cards of a day come to an end."""

PAUSES = [timedelta(seconds=20), timedelta(minutes=6), timedelta(hours=3), timedelta(days=1)]
CLOCK_CHANGES = [timedelta(hours=-2), timedelta(days=-1), timedelta(days=-9), timedelta(days=5)]
OFFSETS_H = [-8, 0, 1, 9]


def make_course() -> dict[str, Card]:
    """Sixteen cards, six of them siblings in pairs."""
    notes = {1: "x", 2: "x", 5: "y", 8: "y", 11: "z", 12: "z"}
    return {f"c{n:02}": make_card(f"c{n:02}", note=notes.get(n, "")) for n in range(16)}


@dataclass
class Window:
    """A sitting in a program of its own."""

    store: Store
    session: Session
    held: str = ""
    """The card whose answer was looked at or taken back before: no limit takes it away."""
    seen: tuple[Memory, dict[Rating, Memory]] = (NEW_MEMORY, {})
    """What was known of it as it was looked at, and what its ratings were said to give."""


@dataclass
class Trial:
    """Two windows, and the answers that were acknowledged to either of them."""

    path: Path
    random: random.Random
    plan: Plan = field(default_factory=Plan)
    clock: FixedClock = field(default_factory=lambda: FixedClock(MONDAY))
    cards: dict[str, Card] = field(default_factory=make_course)
    windows: list[Window] = field(default_factory=list)
    acknowledged: list[Review] = field(default_factory=list)
    n_refused: int = 0
    n_held_beyond: int = 0
    """Ratings beyond a limit, of answers that were looked at before it was used up elsewhere."""

    def run(self) -> None:
        """One walk; raises `AssertionError` if something does not hold."""
        for _ in range(2):
            store = Store.open(self.path, backups_dir=self.path.parent / "backups")
            self.windows.append(Window(store, self._open(store)))
        try:
            for _ in range(N_STEPS):
                self._step()
                self._check()
            self._finish()
        finally:
            for window in self.windows:
                window.store.close()

    def _open(self, store: Store, part: Part | None = None) -> Session:
        return Session(self.cards, store, SCHEDULER, LIMITS, self.clock, part=part, plan=self.plan)

    def _step(self) -> None:
        self.clock.advance(timedelta(milliseconds=self.random.randrange(1, 9000)))
        window = self.random.choice(self.windows)
        acts: dict[Callable[[Window], None], int] = {
            self._rate: 40,
            self._look_at_answer: 12,
            self._undo: 14,
            self._put_aside: 6,
            self._flag: 3,
            self._tick: 8,
            self._reopen: 3,
            self._wait: 10,
            self._change_clock: 4,
        }
        act = self.random.choices(list(acts), list(acts.values()))[0]
        act(window)

    # What a learner does

    def _tick(self, window: Window) -> None:
        """As the screen does each second, and line by line before each answer is taken."""
        session, stood = window.session, window.session.current
        session.look_elsewhere(keep=session.revealed)
        session.refresh()
        if session.current is None:
            window.held = ""
        elif session.current is not stood:
            assert session.current.id not in window.store.marks(self._today).hidden

    def _look_at_answer(self, window: Window) -> None:
        self._tick(window)
        session = window.session
        if session.current is not None and not session.revealed:
            session.reveal()
            window.held = session.current.id
            window.seen = session.memory, session.previews

    def _rate(self, window: Window) -> None:
        session = window.session
        if not session.revealed:
            self._tick(window)
            if session.current is None:
                return
            session.reveal()
        assert session.current is not None
        is_held = window.held == session.current.id
        rating = self.random.choices(list(Rating), [3, 1, 5, 2])[0]
        # The log as the limits see it, just before.
        done = window.store.done(self._today, self.cards)
        before = window.store.memory(session.current.id)
        known, previews = window.seen
        shown = previews.get(rating) if is_held and known == before else None
        try:
            review = session.rate(rating)
            if shown and review.day == shown.last_review_day and shown.due_at is None:
                assert review.after.due_day == shown.due_day, "not the day that was shown"
        except ElsewhereError:
            self.n_refused += 1
            assert is_held, "only an answer that stood while another window worked is refused"
            review = session.rate(rating)  # never twice
        self.acknowledged.append(review)
        window.held, window.seen = "", (NEW_MEMORY, {})
        limits = LIMITS.on(self._today, self.plan)
        is_beyond = (before.state is State.NEW and done.new >= limits.new_per_day) or (
            before.state is State.REVIEW and done.reviews >= limits.reviews_per_day
        )
        self.n_held_beyond += is_beyond
        assert is_held or not is_beyond, f"{review.card_id} is over the limit of {self._today}"

    def _undo(self, window: Window) -> None:
        log = window.store.reviews()
        marks = window.store.marks(self._today)
        try:
            card = window.session.undo()
        except ElsewhereError:
            self.n_refused += 1
            assert window.store.reviews() == log
            card = window.session.undo()
        if not window.session.revealed:
            window.held = ""
        left = window.store.reviews()
        if len(left) < len(log):
            assert card is not None
            assert log == [*left, self.acknowledged.pop()]
            window.held, window.seen = (
                card.id,
                (NEW_MEMORY, {}),
            )  # it had its place in the day, and has it again
        else:
            assert left == log
            assert (window.store.marks(self._today) != marks) == (card is not None)

    def _put_aside(self, window: Window) -> None:
        if window.session.current is not None:
            card = window.session.hide(self.random.choice(["suspended", "buried"]))
            window.held, window.seen = "", (NEW_MEMORY, {})
            assert card.id in window.store.marks(self._today).hidden

    def _flag(self, window: Window) -> None:
        if window.session.current is not None:
            window.session.toggle_flag()

    def _reopen(self, window: Window) -> None:
        window.session.end()
        part = self.random.choice([None, Part("half", frozenset(list(self.cards)[::2]))])
        window.session, window.held = self._open(window.store, part), ""
        window.seen = (NEW_MEMORY, {})

    def _wait(self, _: Window) -> None:
        self.clock.advance(self.random.choice(PAUSES))

    def _change_clock(self, _: Window) -> None:
        if self.random.random() < 0.5:
            self.clock.advance(self.random.choice(CLOCK_CHANGES))
        else:
            zone = timezone(timedelta(hours=self.random.choice(OFFSETS_H)))
            self.clock.at = self.clock.at.astimezone(zone)

    # What holds

    @property
    def _today(self) -> date:
        return SCHEDULER.study_day(self.clock.now())

    def _check(self) -> None:
        """Every acknowledged answer is in the log once, in order, and follows from those before."""
        log = self.windows[0].store.reviews()
        assert log == self.acknowledged, "an answer is lost or doubled"
        memories: dict[str, Memory] = {}
        for review in log:
            before = memories.get(review.card_id, NEW_MEMORY)
            after = SCHEDULER.review(review.card_id, before, review.rating, review.at)
            if self.plan.places_reviews and after.state is State.REVIEW:
                assert review.after.due_day is not None
                assert review.after.due_day > review.day
                after = replace(after, due_day=review.after.due_day)
            assert review.after == after, "scheduled from a memory that was not"
            memories[review.card_id] = review.after
        assert self.windows[1].store.memories() == memories

    def _finish(self) -> None:
        """The day comes to an end in both windows, and nothing due is left unasked."""
        for window in self.windows:
            if window.session.part is not None:
                window.session = self._open(window.store)
        for _ in range(MOST_TO_FINISH):
            self.clock.advance(timedelta(minutes=11))
            for window in self.windows:
                self._tick(window)
            window = self.random.choice(self.windows)
            if window.session.current is not None:
                if not window.session.revealed:
                    window.session.reveal()
                try:
                    review = window.session.rate(Rating.EASY)
                except ElsewhereError:
                    review = window.session.rate(Rating.EASY)
                self.acknowledged.append(review)
            elif all(each.session.current is None for each in self.windows):
                break
        else:
            raise AssertionError("the day never ends: a card is stuck")
        self._check()
        store = self.windows[0].store
        assert store.check() == []
        left = build_queue(
            self.cards,
            store.memories(),
            day=self._today,
            at=self.clock.now(),
            limits=LIMITS.on(self._today, self.plan),
            done=store.done(self._today, self.cards),
            scheduler=SCHEDULER,
            hidden=store.marks(self._today).hidden,
            plan=self.plan,
        )
        assert left.counts.total == 0, f"never asked: {left}"


def run_trials(folder: Path, seeds: range) -> Counter[str]:
    """How often what happened, in one walk for each of `seeds`."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        path = folder / str(seed) / "progress.sqlite3"
        path.parent.mkdir()
        trial = Trial(path, random.Random(seed), PLAN if seed % 2 else Plan())
        try:
            trial.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        counts["walks"] += 1
        counts["answers"] += len(trial.acknowledged)
        counts["refused once"] += trial.n_refused
        counts["held beyond a limit"] += trial.n_held_beyond
        counts["days"] += len({review.day for review in trial.acknowledged})
    return counts


if __name__ == "__main__":
    first, n = int(sys.argv[1]), int(sys.argv[2])
    with TemporaryDirectory() as folder:
        print(dict(run_trials(Path(folder), range(first, first + n))))
