"""What stands where a card would: the end of a review, for now or for today, and of a practice."""

from __future__ import annotations

from textual import events
from textual.content import Content

from studykit.course.cards import Card
from studykit.errors import StudykitError
from studykit.review.grading import right_answer
from studykit.review.practice import Practice
from studykit.review.session import Session
from studykit.study.closing import (
    Closing,
    Miss,
    build_closing,
    describe_answers,
    describe_confidence,
)
from studykit.study.practising import sum_lines
from studykit.study.services import Services
from studykit.study.sitting import describe_outlook, end_words
from studykit.text import clean, flat
from studykit.tui.widgets.confidence_bar import WORDS
from studykit.tui.widgets.safe import Static

KEY = "bold $text-primary"
WORDS_BY_PERCENT = {level.value: word for level, word in WORDS.items()}
ROWS_OF_A_MISS = 2
OTHER_ROWS = 10
"""Rows of the page beside those of the misses; the keys below come where there is room."""


class SittingEnd(Static):
    """The day's answers, what was wrong among them, and when it goes on."""

    DEFAULT_CSS = """
    SittingEnd {
        width: 100%;
        max-width: 120;
        height: 1fr;
        padding: 1 4;
        &.-low { padding: 0 3; }
    }
    """

    def __init__(self, session: Session, services: Services) -> None:
        super().__init__()
        self._session = session
        self._services = services
        self._day = self._read_day()
        self._n_opened = 0

    def _read_day(self) -> Closing:
        """The whole study day, in whichever sitting; if it cannot be read, this sitting."""
        services, reviews = self._services, self._session.reviews
        try:
            reviews = tuple(services.progress.reviews(services.today))
        except StudykitError as error:
            self.log.error(str(error))
        return build_closing(reviews, self._session.cards)

    def on_resize(self, _: events.Resize) -> None:
        self.say()

    @property
    def next_lab(self) -> Card | None:
        """The next miss whose lab was not opened from here; each lab and its knobs once."""
        cards = self._cards_with_labs()
        return cards[self._n_opened] if self._n_opened < len(cards) else None

    def open_next(self) -> Card | None:
        """The same; it counts as opened then."""
        card = self.next_lab
        self._n_opened += card is not None
        self.say()
        return card

    def _cards_with_labs(self) -> list[Card]:
        cards: dict[tuple[str, str], Card] = {}
        for miss in self._day.misses:
            card = miss.card
            if self._services.lab_of(card) is not None:
                cards.setdefault((card.lab, repr(sorted(card.knobs.items()))), card)
        return [*cards.values()]

    def say(self) -> None:
        """Say it for the present moment, and for the room that there is."""
        self.set_class(self.app.size.height < 24, "-low")
        is_waiting = self._session.waiting_until is not None
        title = "A short break" if is_waiting else end_words(self._session, self._services)
        lines = [Content.styled(clean(title), "bold $text-success"), Content("")]
        if self._day.n_answers:
            lines += [Content(line) for line in self._sum()]
        lines += self._misses()
        lines.append(Content(describe_outlook(self._session, self._services)))
        height = self.content_size.height
        if len(lines) > height:
            lines = [line for line in lines if line.plain]
        elif len(lines) + 2 <= height:
            lines += [Content(""), render_ways_on("takes the last rating back")]
        self.update(Content("\n").join(lines))

    def _sum(self) -> list[str]:
        day, n_here = self._day, len(self._session.reviews)
        said = f"Today {describe_answers(day)}"
        if 0 < n_here < day.n_answers:
            said += f"; {n_here} of them in this sitting"
        return [line for line in (said, describe_confidence(day)) if line]

    def _misses(self) -> list[Content]:
        """Each with what was given and what is right, as many as there is room for."""
        misses = self._day.misses
        if not misses:
            return [Content("")]
        width = max(20, self.content_size.width or self.app.size.width - 8)
        room = max(1, (self.content_size.height - OTHER_ROWS) // ROWS_OF_A_MISS)
        lines = [Content(""), Content.styled("WRONG TODAY", "bold $text-accent")]
        for miss in misses[:room]:
            lines += [row.truncate(width, ellipsis=True) for row in self._rows_of(miss)]
        if (more := len(misses) - room) > 0:
            lines.append(Content.styled(f"  and {more} more", "$text-muted"))
        if (n_left := len(self._cards_with_labs()) - self._n_opened) > 0:
            way = (
                "the lab behind them" if n_left == 1 else f"the {n_left} labs behind them, in turn"
            )
            opened = "opens" if self._n_opened == 0 else "goes on: it opens"
            lines.append(Content.assemble(("x", KEY), f" {opened} {way}"))
        return [*lines, Content("")]

    def _rows_of(self, miss: Miss) -> list[Content]:
        review, card = miss.review, miss.card
        right = right_answer(card, self._services.evidence(card))
        sure = WORDS_BY_PERCENT.get(review.confidence or 0, "") if review.is_confident_error else ""
        return [
            Content.assemble(
                ("✗ ", "bold $text-error"),
                (f"{sure}: " if sure else "", "$text-error"),
                flat(card.headline),
            ),
            Content.assemble(
                f"  right: {flat(right)}   " if right else "  ",
                (f"you: {flat(review.given)}" if review.given else "", "$text-muted"),
            ),
        ]


def render_ways_on(undo: str) -> Content:
    """The keys at an end; `undo` says what is taken back."""
    return Content.assemble(
        ("u", KEY), f" {undo}    ", ("c", KEY), " practises more    ", ("q", KEY), " home"
    )


class PracticeEnd(Static):
    """The score, and that nothing was scheduled."""

    DEFAULT_CSS = """
    PracticeEnd {
        width: 100%;
        height: auto;
        padding: 2 4;
    }
    """

    def __init__(self, practice: Practice, services: Services) -> None:
        title = "Pretest done" if practice.is_pretest else "Practice done"
        lines = [
            Content.styled(f"{title}: {clean(practice.title)}", "bold $text-success"),
            Content(""),
            *(Content(clean(line)) for line in sum_lines(practice, services)),
            Content(""),
            render_ways_on("takes the last answer back"),
        ]
        super().__init__(Content("\n").join(lines))
