"""What stands where a card would: the end of a review, for now or for today, and of a practice."""

from __future__ import annotations

from datetime import timedelta

from textual.content import Content

from studykit.review.practice import Practice
from studykit.review.schedule import Rating
from studykit.review.session import Session
from studykit.review.study_queue import next_due
from studykit.study.practising import sum_lines
from studykit.study.services import Services
from studykit.study.sitting import end_words
from studykit.study.words import minutes, outlook
from studykit.text import clean, percent, plural
from studykit.tui.widgets.safe import Static


class SittingEnd(Static):
    """The sum of the sitting, and when it goes on: a wait within the day, or the end of it."""

    DEFAULT_CSS = """
    SittingEnd {
        width: 100%;
        height: auto;
        padding: 2 4;
    }
    """

    def __init__(self, session: Session, services: Services) -> None:
        super().__init__()
        self._session = session
        self._services = services

    def on_mount(self) -> None:
        self.say()

    def say(self) -> None:
        """Say it for the present moment."""
        is_waiting = self._session.waiting_until is not None
        title = "A short break" if is_waiting else end_words(self._session, self._services)
        lines = [
            Content.styled(clean(title), "bold $text-success"),
            Content(""),
            *self._sum(),
            Content(self._outlook()),
            Content(""),
            render_ways_on("takes the last rating back"),
        ]
        self.update(Content("\n").join(lines))

    def _sum(self) -> list[Content]:
        reviews = self._session.reviews
        n = len(reviews)
        if not n:
            return []
        taken = timedelta(milliseconds=sum(review.taken_ms for review in reviews))
        n_again = sum(review.rating is Rating.AGAIN for review in reviews)
        text = (
            f"{plural(n, 'answer')} in {minutes(taken)}, {n_again} again ({percent(n_again / n)})"
        )
        return [Content(text)]

    def _outlook(self) -> str:
        services = self._services
        now = services.clock.now()
        if (until := self._session.waiting_until) is not None:
            wait = max(timedelta(), until - now)
            return (
                f"The next card comes in {minutes(wait)}, at {until.astimezone(now.tzinfo):%H:%M}"
            )
        session = self._session
        shown = session.cards.keys() - session.marks.suspended
        n_unseen = len(shown - session.memories.keys())
        coming = next_due(session.asked, services.today)
        return outlook(coming, n_unseen, services.today, services.settings.review.rollover_hour)


def render_ways_on(undo: str) -> Content:
    """The keys at an end; `undo` says what is taken back."""
    key = "bold $text-primary"
    return Content.assemble(
        ("u", key), f" {undo}    ", ("c", key), " practises more    ", ("q", key), " home"
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
