"""Today's cards: which one comes, its rating, and the way back.

An answer is in the journal before the session goes on: if it cannot be recorded, nothing has
changed and the rating can be tried again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Hashable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, NamedTuple, Protocol

from studykit.clock import Clock
from studykit.course.cards import Card, Kind
from studykit.errors import StudykitError
from studykit.lab.results import RunResult
from studykit.review.asking import Asking, MarkJournal, RunsOf, no_runs
from studykit.review.grading import is_confident_error
from studykit.review.marks import Marking, Marks
from studykit.review.placing import PlannedDays, count_due
from studykit.review.plan import NO_PLAN, Plan
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Placing,
    Rating,
    Scheduler,
    State,
    draw_evenly,
    is_due,
)
from studykit.review.study_queue import (
    LEARN_AHEAD,
    Counts,
    Done,
    Limits,
    as_asked,
    build_queue,
    comes_today,
    count_reviews_due,
    is_review_due,
    step_end,
)
from studykit.text import clean

UNREAD: Hashable = ()
"""The revision of a journal that was not read since something was written to it."""


@dataclass(frozen=True, slots=True)
class Review:
    """One rated answer: a row of the review log."""

    card_id: str
    at: datetime
    day: date
    """The study day that it counts for."""
    rating: Rating
    kind: Kind
    correct: bool | None
    """None: the answer could not be judged."""
    suggested: Rating | None
    """What the grade proposed; the learner may have rated otherwise."""
    given: str
    confidence: int | None
    """What the learner said before seeing the answer, None if not asked."""
    taken_ms: int
    """From the card's appearing to its rating, at most `LONGEST_ANSWER`."""
    scheduler: str
    parameters_id: str
    content_hash: str
    """Of the card as it was asked."""
    after: Memory
    """What it led to."""
    before: State | None = None
    """State of the card as it was asked; None where an old log does not tell."""
    predicted: float | None = None
    """Probability of recall that the schedule expected of a card in Review; else None."""
    score: float | None = None
    """`exercise`: how much of it was right, from 0 to 1."""

    @property
    def is_confident_error(self) -> bool:
        """True if it was wrong and the learner had been sure of it."""
        return is_confident_error(self.correct, self.confidence)

    @property
    def is_too_good(self) -> bool:
        """True if the answer was wrong and is rated as if it had been known."""
        return self.correct is False and self.rating >= Rating.GOOD


class Part(NamedTuple):
    """A deck or a topic, where only its cards are to be asked."""

    title: str
    ids: Set[str]


class ElsewhereError(StudykitError):
    """Another window on the same progress has answered meanwhile."""

    @classmethod
    def of_card(cls, card_id: str) -> ElsewhereError:
        """The rated card itself was answered there: the learner has not seen its intervals."""
        return cls(
            f"{clean(card_id)} was answered in another window meanwhile",
            hint="its intervals are new; rate again to count both answers",
        )


class Journal(MarkJournal, Protocol):
    """Where reviews are kept; each call is durable when it returns, or raises and did nothing."""

    def begin_sitting(self, at: datetime, day: date) -> None:
        """The reviews from here on are of one sitting."""

    def end_sitting(self, at: datetime) -> None: ...

    def keep_schedule(self, scheduler: Scheduler) -> None:
        """What its `parameters_id` stands for is known from here on."""

    def record(self, review: Review, before: Memory, known: Hashable) -> Hashable:
        """The revision with the review in it.

        Raises `ElsewhereError` if the revision is not `known`, or if `before` is not what is known
        of the card.
        """

    def take_back(self, day: date, expected: Review | None, cards: Container[str]) -> Review | None:
        """The last review, removed; None if it is of a day before `day` or of none of `cards`.

        Raises `ElsewhereError` if `expected` is given and is another one.
        """

    def revision(self) -> Hashable:
        """Differs from an earlier one if something was answered, taken back or marked since."""

    def memory(self, card_id: str) -> Memory:
        """What the reviews that are left tell of a card; `NEW_MEMORY` if there is none."""

    def memories(self) -> Mapping[str, Memory]:
        """The same of every card that has a review."""

    def done(self, day: date, cards: Mapping[str, Card]) -> Done:
        """What the study day has seen of `cards`."""

    def marks(self, day: date) -> Marks: ...

    def take_back_mark(self, day: date, cards: Container[str]) -> Marking | None:
        """The last mark of `day` that hid a card, removed.

        None if a review came after it, or if it is on none of `cards`.
        """


class Session(Asking):
    """A sitting on the due cards of `cards`; memories of other cards are left alone.

    `n_more_new` new cards are asked beyond the limit of the study day on which it begins. With a
    `part` only its cards are asked; the day's limits count all cards, as ever. The journal learns
    of the sitting with its first rating.
    """

    def __init__(
        self,
        cards: Mapping[str, Card],
        journal: Journal,
        scheduler: Scheduler,
        limits: Limits,
        clock: Clock,
        n_more_new: int = 0,
        part: Part | None = None,
        runs_of: RunsOf = no_runs,
        plan: Plan = NO_PLAN,
    ) -> None:
        super().__init__(cards, Marks(), journal, scheduler.study_day, clock, runs_of)
        self.memories: dict[str, Memory] = {}
        """Card id -> memory, of the cards that were reviewed at least once."""
        self.done = Done()
        """What the study day has seen, in whichever sitting."""
        self.part = part
        self._journal = journal
        self._scheduler = scheduler
        self._plan = plan
        self._load: Counter[date] | None = None  # cards due on each day; None: to be counted
        self._placing: Placing | None = None  # of the current card
        self._history: list[Review] = []
        self._began_at = self._shown_at
        self._is_begun = False  # in the journal
        self._rest: list[str] = []  # reviews and new cards not asked yet
        self._learning: list[str] = []  # in (re)learning steps that end today
        self._held: frozenset[str] = frozenset()  # due, but not asked today
        self.n_beyond = 0
        """Reviews that are due and have no room on the day."""
        self._day = self._first_day = scheduler.study_day(self._shown_at)
        self._is_told_of_others = False  # the next undo may take back an answer from elsewhere
        self._revision = UNREAD
        self._take_up(self._shown_at)
        self._usual_limits = limits
        self._first_limits = limits.on(self._day, plan)
        if n_more_new:
            self._first_limits = self._first_limits.with_more_new(self.done, n_more_new)
        self._build(self._shown_at)
        self._go_on(self._shown_at)

    @property
    def counts(self) -> Counts:
        """Cards left today, the current one included."""
        ids = self._rest + self._learning + ([self.current.id] if self.current else [])
        known = [memory for id_ in ids if (memory := self.memories.get(id_))]
        review = sum(memory.state is State.REVIEW for memory in known)
        return Counts(new=len(ids) - len(known), learning=len(known) - review, review=review)

    @property
    def asked(self) -> dict[str, Memory]:
        """The memories as their cards will be asked, from today on."""
        marks, now = self.marks, self._now()
        held, day = self._held, self._day
        return as_asked(self.memories, marks, held, day, now, self._plan, self.cards)

    @property
    def n_left(self) -> int:
        return self.counts.total

    @property
    def memory(self) -> Memory:
        """What is known of the current card."""
        return self._memory(self.current.id) if self.current else NEW_MEMORY

    @property
    def previews(self) -> dict[Rating, Memory]:
        """What each rating would make of the current card, were it given now."""
        card = self._asked().card
        return self._scheduler_of(card).preview(
            card.id,
            self._memory(card.id),
            self._now(),
            is_confident_error=self.is_confident_error,
            placing=self._placing_of(card),
        )

    @property
    def capped(self) -> frozenset[Rating]:
        """The ratings of `previews` whose interval a confident error keeps short."""
        card = self._asked().card
        uncapped = replace(self._memory(card.id), caps_left=0)
        return self._shorter_than(
            self._scheduler_of(card).preview(
                card.id, uncapped, self._now(), placing=self._placing_of(card)
            )
        )

    @property
    def before_exam(self) -> frozenset[Rating]:
        """The ratings of `previews` whose interval an exam draws to the days before it."""
        card = self._asked().card
        placing = self._placing_of(card)
        if self._plan.next_exam(card.deck_id, self._day) is None:
            return frozenset()
        assert isinstance(placing, PlannedDays)
        without = PlannedDays(replace(self._plan, exams={}), placing.load, card.deck_id)
        return self._shorter_than(
            self._scheduler_of(card).preview(
                card.id,
                self._memory(card.id),
                self._now(),
                is_confident_error=self.is_confident_error,
                placing=without,
            )
        )

    def _shorter_than(self, free: Mapping[Rating, Memory]) -> frozenset[Rating]:
        """The ratings of `previews` that lead to an earlier day than in `free`."""
        return frozenset(
            rating
            for rating, after in self.previews.items()
            if after.state is State.REVIEW and after.due_day != free[rating].due_day
        )

    @property
    def reviews(self) -> tuple[Review, ...]:
        """Those of this sitting that were not taken back, oldest first."""
        return tuple(self._history)

    @property
    def n_done(self) -> int:
        """How many they are."""
        return len(self._history)

    @property
    def last(self) -> Review | None:
        """The latest of them, None before the first."""
        return self._history[-1] if self._history else None

    @property
    def waiting_until(self) -> datetime | None:
        """When `refresh` will have a card again, if there is none now but one comes today."""
        if self.current is not None or not self._learning:
            return None
        return min(self._step_end(id_) for id_ in self._learning) - LEARN_AHEAD

    def rate(self, rating: Rating) -> Review:
        """The recorded review; the next card is current.

        What the journal raises comes through, and nothing has changed. `ElsewhereError`: another
        window has answered the card; that is taken up, and the rating can be given again.
        """
        shown, judged = self._judged()
        card = shown.card
        at = self._now()
        if card.id in self._turn_day(at):
            raise ElsewhereError.of_card(card.id)
        before, scheduler = self._memory(card.id), self._scheduler_of(card)
        review = Review(
            card_id=card.id,
            at=at,
            day=scheduler.study_day(at),
            rating=rating,
            kind=card.kind,
            correct=judged.correct,
            suggested=judged.suggested,
            given=judged.given,
            confidence=self._confidence,
            taken_ms=self._taken_ms(at),
            scheduler=scheduler.version,
            parameters_id=scheduler.parameters_id,
            content_hash=card.content_hash,
            after=scheduler.review(
                card.id,
                before,
                rating,
                at,
                is_confident_error=self.is_confident_error,
                placing=self._placing_of(card),
            ),
            before=before.state,
            predicted=scheduler.predicted(before, scheduler.study_day(at)),
            score=judged.share,
        )
        self._journal.keep_schedule(scheduler)
        if not self._is_begun:
            began_at = self._began_at
            self._journal.begin_sitting(began_at, self._scheduler.study_day(began_at))
            self._is_begun = True
        self._record(review, before)
        self._history.append(review)
        self._know(card.id, review.after)
        self.done = self.done.plus(card, before)
        self._leave()
        if comes_today(review.after, at, self._day):
            self._learning.append(card.id)
        self._go_on(at)
        return review

    def _record(self, review: Review, before: Memory) -> None:
        """Keeps `review`, if the day is as it is known here.

        What another window has done meanwhile is taken up first: it has used the day's limits, too.
        """
        while True:
            try:
                self._revision = self._journal.record(review, before, self._revision)
                return
            except ElsewhereError:
                if changed := self._take_up(review.at):
                    self._build(review.at)
                if review.card_id in changed:
                    raise

    def hide(self, mark: Literal["suspended", "buried"]) -> Card:
        """The current card, put aside without a rating; the next card is current.

        Whatever the journal raises comes through, and nothing has changed.
        """
        card = self._asked().card
        at = self._now()
        self._turn_day(at)
        self._journal.mark(Marking(card.id, mark, at, self._day))
        self._revision = UNREAD
        self.marks = self.marks.plus(card.id, mark)
        self._load = None
        self._leave()
        self._build(at)  # another card takes its place among the day's limits
        self._go_on(at)
        return card

    def undo(self) -> Card | None:
        """The card that was last rated or put aside on the study day, asked again; or None.

        It reaches into earlier sittings of the day, but not past a card that has since left the
        course: its answer stays. Raises `ElsewhereError`, once, before it takes back an answer
        that another window has given after the last one of this sitting.
        """
        self.look_elsewhere(keep=self.revealed)
        at = self._now()
        marking = self._journal.take_back_mark(self._day, self.cards)
        if marking is not None:
            self._revision = UNREAD
            return self._bring_back(marking, at)
        review = self._take_back()
        if review is None:
            return None
        self._revision = UNREAD
        card = self.cards[review.card_id]
        before = self._journal.memory(card.id)
        if (last := self.last) and (last.card_id, last.at) == (review.card_id, review.at):
            self._history.pop()
        self._put_back()
        self._know(card.id, before)
        asked = any(
            self._memory(sibling.id).last_review_day == self._day
            for sibling in self.cards.values()
            if card.note and sibling.note == card.note
        )
        self.done = self.done.minus(card, before, asked_siblings=asked)
        self._show(card, at)
        return card

    def _take_back(self) -> Review | None:
        expected = None if self._is_told_of_others else self.last
        self._is_told_of_others = False
        try:
            return self._journal.take_back(self._day, expected, self.cards)
        except ElsewhereError:
            self._is_told_of_others = True
            raise

    def _bring_back(self, marking: Marking, at: datetime) -> Card:
        card = self.cards[marking.card_id]
        self.marks = self.marks.minus(card.id, marking.mark)
        self._load = None
        if not self._is_beyond(card):  # after a clock went back, others may have its place
            self._show(card, at)
        self._build(at)
        if self.current is None:
            self._go_on(at)
        return card

    def change_cards(self, cards: Mapping[str, Card], evidence: RunResult | None) -> None:
        """Goes on with the cards as their decks have them now; those that are gone are not asked.

        The current card stays, with its new text. If it is revealed, the same answer is graded
        again; where that fits the card no longer, it is asked again.
        """
        at, old = self._now(), self.current
        self.cards = cards
        self._remember(self._outside | self.memories)
        card = cards.get(old.id) if old else None
        if card is None:
            self._leave()
            self._build(at)
            self._go_on(at)
            return
        self._change_shown(card, self._memory(card.id).reps, evidence)
        self._build(at)

    def look_elsewhere(self, *, keep: bool = True) -> frozenset[str]:
        """The cards that another window has answered, taken back or put aside; all is taken up.

        So is a new study day. The current card stays, unless `keep` is False and it is one of them
        or the day has no room for it any more.
        """
        at = self._now()
        is_day = self._scheduler.study_day(at) == self._day
        if is_day and self._journal.revision() == self._revision:
            return frozenset()
        changed = self._take_up(at)
        if is_day and not changed:
            return changed  # a flag, or what was done here
        current = self.current
        if current is not None and not keep and (current.id in changed or self._is_beyond(current)):
            self._leave()
        self._build(at)
        if self.current is None:
            self._go_on(at)
        return changed

    def refresh(self) -> bool:
        """Lets in learning steps that ended, a new study day; True if it brings a card."""
        was_none, at = self.current is None, self._now()
        if self._scheduler.study_day(at) != self._day:
            self.look_elsewhere(keep=self.revealed)
        elif was_none:
            self._go_on(at)
        return was_none and self.current is not None

    def end(self) -> None:
        """Notes the end, if anything was rated."""
        if self._is_begun:
            self._journal.end_sitting(self._now())

    def _take_up(self, at: datetime) -> frozenset[str]:
        """The cards that are not as they were known here; what the journal holds is known then.

        All or nothing: if the journal cannot be read, nothing has changed.
        """
        day = self._scheduler.study_day(at)
        # The revision first: what is written after it is found the next time.
        revision = self._journal.revision()
        memories, marks = self._journal.memories(), self._journal.marks(day)
        done = self._journal.done(day, self.cards)
        before, marks_before = self.memories, self.marks
        self._revision, self.done, self.marks = revision, done, marks
        self._remember(memories)
        ids = before.keys() | self.memories.keys()
        changed = {id_ for id_ in ids if before.get(id_) != self.memories.get(id_)}
        changed |= marks_before.suspended ^ marks.suspended
        if day == self._day:  # else what was buried is back by itself
            changed |= marks_before.buried ^ marks.buried
        self._day = day
        # Fewer reviews than an answer of ours led to: it was taken back.
        self._history = [
            review
            for review in self._history
            if review.card_id not in changed
            or self._memory(review.card_id).reps >= review.after.reps
        ]
        return frozenset(changed & self.cards.keys())

    def _remember(self, memories: Mapping[str, Memory]) -> None:
        known = {id_: memory for id_, memory in memories.items() if memory.state is not State.NEW}
        self.memories = {id_: memory for id_, memory in known.items() if id_ in self.cards}
        self._load = None
        # A deck that is gone for a moment brings its cards back as they were.
        self._outside = {id_: memory for id_, memory in known.items() if id_ not in self.cards}

    def _know(self, id_: str, memory: Memory) -> None:
        """Of the card this is known now."""
        if self._load is not None and id_ not in self.marks.suspended:
            self._load.subtract(count_due([(id_, self._memory(id_))], ()))
            self._load.update(count_due([(id_, memory)], ()))
        if memory.state is State.NEW:
            self.memories.pop(id_, None)
        else:
            self.memories[id_] = memory

    def _scheduler_of(self, card: Card) -> Scheduler:
        wanted = self._plan.retention_of(card.deck_id)
        return self._scheduler if wanted is None else self._scheduler.aiming_at(wanted)

    def _placing_of(self, card: Card) -> Placing:
        """How the day of the current card is chosen: by what is due on each as it was asked.

        What another window answers meanwhile does not move the days that the learner has seen.
        """
        if not self._plan.places_reviews:
            return draw_evenly
        if self._placing is None:
            if self._load is None:
                self._load = count_due(self.memories.items(), self.marks.suspended)
            self._placing = PlannedDays(self._plan, self._load, card.deck_id)
        return self._placing

    def _memory(self, id_: str) -> Memory:
        return self.memories.get(id_, NEW_MEMORY)

    def _step_end(self, id_: str) -> datetime:
        return step_end(self._memory(id_), self._shown_at)

    def _turn_day(self, at: datetime) -> frozenset[str]:
        """Begins another study day, if `at` belongs to one; the current card stays.

        What another window has done is taken up with it: it may be far into the day. Returns the
        cards that were changed there.
        """
        if self._scheduler.study_day(at) == self._day:
            return frozenset()
        changed = self._take_up(at)
        self._build(at)
        return changed

    @property
    def _limits(self) -> Limits:
        """The day's; a backlog is not known of here."""
        if self._day == self._first_day:
            return self._first_limits
        return self._usual_limits.on(self._day, self._plan)

    def _is_beyond(self, card: Card) -> bool:
        """True if the day has no room for `card`: its limit or a sibling's turn is used up."""
        limits = self._limits
        if limits.backlog_per_day:
            hidden = self.marks.hidden
            n_due = count_reviews_due(self.cards, self.memories, hidden, self._day, self._plan)
            limits = limits.with_due(n_due, self.done)
        match self._memory(card.id).state:
            case State.NEW:
                has_room = self.done.new < limits.new_per_day
            case State.REVIEW:
                has_room = self.done.reviews < limits.reviews_per_day
            case _:
                return False
        return not has_room or card.note in self.done.notes

    def _is_review_due(self, card: Card, memory: Memory) -> bool:
        rounds = self._plan.last_rounds([card.deck_id], self._day)
        return is_review_due(card, memory, rounds, self._day)

    def _build(self, at: datetime) -> None:
        """What is left of the day beside the current card, which uses up its share of limits."""
        cards, done = self.cards, self.done
        n_due = None
        if self.part is not None:
            hidden = self.marks.hidden
            n_due = count_reviews_due(cards, self.memories, hidden, self._day, self._plan)
            cards = {id_: card for id_, card in cards.items() if id_ in self.part.ids}
        if (current := self.current) is not None:
            cards = {id_: card for id_, card in cards.items() if id_ != current.id}
            before = self._memory(current.id)
            done = done.plus(current, before)
            if n_due is not None:
                n_due -= self._is_review_due(current, before)
        queue = build_queue(
            cards,
            self.memories,
            day=self._day,
            at=at,
            limits=self._limits,
            done=done,
            scheduler=self._scheduler,
            hidden=self.marks.hidden,
            plan=self._plan,
            n_due=n_due,
        )
        self.n_beyond = len(queue.beyond)
        self._rest = list(queue.mixed)
        self._learning = [*queue.learning, *queue.waiting]
        self._held = queue.held

    def _go_on(self, at: datetime) -> None:
        """Shows the next card, if there is one.

        Steps that have ended come first, then the rest of the queue, then steps that end soon.
        The card just rated comes back at once only when it is the only one.
        """
        steps = sorted(self._learning, key=self._step_end)
        due = [id_ for id_ in steps if is_due(self._memory(id_), at, self._day)]
        soon = [id_ for id_ in steps if self._step_end(id_) - at <= LEARN_AHEAD]
        ready = [*due, *self._rest[:1], *soon]
        last = self.last.card_id if self.last else ""
        id_ = next((id_ for id_ in ready if id_ != last), ready[0] if ready else None)
        if id_ is not None:
            self._show(self.cards[id_], at)

    def _show(self, card: Card, at: datetime) -> None:
        self._leave()
        for group in (self._rest, self._learning):
            if card.id in group:
                group.remove(card.id)
        self.shown = self._present(card, self._memory(card.id).reps)
        self._placing = None
        self._shown_at = at

    def _put_back(self) -> None:
        """The current card waits its turn again, first of its kind, if it still has one today."""
        if (current := self.current) is None:
            return
        self._leave()
        memory = self._memory(current.id)
        is_over = memory.state is State.REVIEW and not self._is_review_due(current, memory)
        if is_over or current.id in self.marks.hidden or self._is_beyond(current):
            return  # another window has used its turn up
        is_learning = memory.state in (State.LEARNING, State.RELEARNING)
        (self._learning if is_learning else self._rest).insert(0, current.id)
