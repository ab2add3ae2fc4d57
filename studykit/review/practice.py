"""Practice: cards answered beside the schedule, and the way back.

No answer given here changes a memory, a due day or a daily limit, and none is a review: what is
kept of it stands apart from the review log. A card is asked until it was right once; a pretest
asks each card once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from random import Random
from typing import Literal, NamedTuple, Protocol, TypeAlias

from studykit.clock import Clock
from studykit.course.cards import Card, Kind
from studykit.lab.results import RunResult
from studykit.review.asking import Asking, MarkJournal, RunsOf, no_runs
from studykit.review.marks import Marks
from studykit.review.schedule import NEW_MEMORY, Memory

Mode: TypeAlias = Literal["ahead", "cram", "pretest"]
"""Known cards before they are due; known cards of a choice; new cards before they are learned."""


MOST_DRAWS = 50
"""After so many that are alike there is no other one."""


@dataclass(frozen=True, slots=True)
class Practised:
    """One answer of a practice, which nothing is scheduled by."""

    card_id: str
    mode: Mode
    at: datetime
    day: date
    """The study day of `at`."""
    kind: Kind
    correct: bool | None
    """What the learner said of it, in a pretest the grade; None: it could not be judged."""
    given: str
    confidence: int | None
    """What the learner said before seeing the answer, None if not asked."""
    taken_ms: int
    score: float | None = None
    """`exercise`: how much of it was right, from 0 to 1."""


class PracticeJournal(MarkJournal, Protocol):
    """Where practised answers are kept; each call is durable when it returns, or did nothing."""

    def record_practised(self, practised: Practised) -> int:
        """Its number, by which it can be taken back."""

    def take_back_practised(self, number: int) -> None: ...


class _Step(NamedTuple):
    """An answer with what it takes to undo it."""

    practised: Practised
    number: int
    queue: tuple[str, ...]
    """Before the answer."""
    n_passed: int
    """Draws of the card that were passed over before the one that was answered."""


class Practice(Asking):
    """A practice of the cards `ids`, in their order for a pretest, else shuffled by `seed`."""

    def __init__(
        self,
        mode: Mode,
        ids: Sequence[str],
        cards: Mapping[str, Card],
        memories: Mapping[str, Memory],
        marks: Marks,
        journal: PracticeJournal,
        study_day: Callable[[datetime], date],
        clock: Clock,
        seed: int,
        title: str = "",
        runs_of: RunsOf = no_runs,
    ) -> None:
        super().__init__(cards, marks, journal, study_day, clock, runs_of)
        self.mode = mode
        self.title = title
        """What was chosen to practise."""
        self._memories = memories
        self._journal = journal
        self._seed = seed
        ids = [id_ for id_ in ids if id_ in cards]
        self._queue = tuple(ids if self.is_pretest else Random(seed).sample(ids, len(ids)))
        self._steps: list[_Step] = []
        self._n_passed: Counter[str] = Counter()
        self._show()

    @property
    def is_pretest(self) -> bool:
        """True if the cards are new, asked once, and marked by the grade alone."""
        return self.mode == "pretest"

    @property
    def answers(self) -> tuple[Practised, ...]:
        """Those given here and not taken back, oldest first."""
        return tuple(step.practised for step in self._steps)

    @property
    def firsts(self) -> tuple[Practised, ...]:
        """Of each card the first answer, which is what a score counts."""
        firsts: dict[str, Practised] = {}
        for practised in self.answers:
            firsts.setdefault(practised.card_id, practised)
        return tuple(firsts.values())

    @property
    def n_left(self) -> int:
        return len(self._queue)

    @property
    def n_settled(self) -> int:
        """Cards that are not asked any more."""
        return len({practised.card_id for practised in self.answers} - set(self._queue))

    def memory(self, card_id: str) -> Memory:
        """What the reviews tell of a card; practice never changes it."""
        return self._memories.get(card_id, NEW_MEMORY)

    def mark(self, is_right: bool | None) -> Practised:
        """The recorded answer; the next card is current, one that was wrong comes again last.

        Whatever the journal raises comes through, and nothing has changed.
        """
        card = self._asked().card
        comes_again = not self.is_pretest and not is_right
        return self._keep(is_right, self._queue[1:] + ((card.id,) if comes_again else ()))

    def _keep(self, is_right: bool | None, queue: tuple[str, ...]) -> Practised:
        """The recorded answer; the first of `queue` is current."""
        shown, grade = self._judged()
        card, at = shown.card, self._now()
        practised = Practised(
            card_id=card.id,
            mode=self.mode,
            at=at,
            day=self._study_day(at),
            kind=card.kind,
            correct=is_right,
            given=grade.given,
            confidence=self._confidence,
            taken_ms=self._taken_ms(at),
            score=grade.share,
        )
        number = self._journal.record_practised(practised)
        self._steps.append(_Step(practised, number, self._queue, self._n_passed[card.id]))
        self._queue = queue
        self._show()
        return practised

    def mark_as_graded(self) -> Practised:
        """As `mark`, by the grade alone: how a pretest is marked."""
        _, grade = self._judged()
        return self.mark(grade.correct)

    @property
    def can_draw_another(self) -> bool:
        """True if other rows of the current exercise may be asked, as in no pretest."""
        return not self.is_pretest and self.shown is not None and self.shown.task is not None

    def draw_another(self) -> bool:
        """Other rows of the current exercise in place of these; False if no others can be drawn.

        An answer that is revealed is kept as it was graded. Whatever the journal raises comes
        through, and nothing has changed.
        """
        shown = self._asked()
        if not self.can_draw_another:
            raise RuntimeError("the card has no other draw")
        before = shown.task
        if self.grade is not None:
            self._keep(self.grade.correct, self._queue)
        for _ in range(MOST_DRAWS):
            if self.shown is not None and self.shown.task != before:
                return True
            self._n_passed[shown.card.id] += 1
            self._show()
        return False

    def undo(self) -> Card | None:
        """The card that was last answered here, asked again; None if there is none.

        One that has since left the course keeps its answer.
        """
        if not self._steps or self._steps[-1].practised.card_id not in self.cards:
            return None
        step = self._steps[-1]
        self._journal.take_back_practised(step.number)
        self._steps.pop()
        self._queue = tuple(id_ for id_ in step.queue if id_ in self.cards)
        self._n_passed[step.practised.card_id] = step.n_passed
        self._show()
        return self.current

    def change_cards(self, cards: Mapping[str, Card], evidence: RunResult | None) -> None:
        """Goes on with the cards as their decks have them now; those that are gone are not asked.

        The current card stays, with its new text; a revealed one is graded again.
        """
        old = self.current
        self.cards = cards
        self._queue = tuple(id_ for id_ in self._queue if id_ in cards)
        if old is not None and old.id in cards:
            self._change_shown(cards[old.id], self._draw(old.id), evidence)
        else:
            self._show()

    def end(self) -> None:
        """Nothing is left to do: every answer is kept already."""

    def _show(self) -> None:
        self._leave()
        if self._queue:
            card = self.cards[self._queue[0]]
            self.shown = self._present(card, self._draw(card.id))
            self._shown_at = self._now()

    def _draw(self, card_id: str) -> int:
        """Shuffles the card's parts anew each time, and never as one of its reviews does."""
        n_asked = sum(practised.card_id == card_id for practised in self.answers)
        return -1 - self._seed - n_asked - self._n_passed[card_id]
