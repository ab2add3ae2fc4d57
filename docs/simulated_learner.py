"""A learner who has studied for some weeks, for the pictures: invented, through the real sittings.

Whether a card is known is drawn from the retrievability that the scheduler predicts, so that
retention, forecast and calibration look like those of a person for whom the model is right.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from studykit.clock import FixedClock
from studykit.course.cards import Choice, Exercise, Match, Numeric, Order, Predict, Recall
from studykit.progress.store import Store
from studykit.review.grading import Confidence, Given, Shown, right_answer, right_option
from studykit.review.schedule import NEW_MEMORY, Rating
from studykit.review.session import Session
from studykit.study.services import Services

KNOWN_AT_FIRST = 0.6
"""Share of new cards that are answered right at once."""
DAYS_OFF = 0.15
"""Share of days without a sitting, until the last `DILIGENT_DAYS`."""
DILIGENT_DAYS = 9


def study(services: Services, clock: FixedClock, until: datetime, *, seed: int) -> None:
    """Sit on each study day, from the clock's until `until`, and record every answer."""
    random = Random(seed)
    store = Store.open(services.paths.database, backups_dir=services.paths.backups_dir)
    services.store = store
    try:
        while clock.at < until:
            morning = clock.at
            is_diligent = until - morning <= timedelta(days=DILIGENT_DAYS)
            if is_diligent or random.random() > DAYS_OFF:
                _sit(services, clock, random)
            clock.at = morning + timedelta(days=1)
    finally:
        services.store = None
        store.close()


def _sit(services: Services, clock: FixedClock, random: Random) -> None:
    session = services.open_session()
    while True:
        if session.shown is None:
            waiting_until = session.waiting_until
            if waiting_until is None or waiting_until - clock.now() > timedelta(minutes=15):
                break
            clock.at = waiting_until
            session.refresh()
            continue
        _answer(services, session, clock, random)
    session.end()


def _answer(services: Services, session: Session, clock: FixedClock, random: Random) -> None:
    shown = session.shown
    assert shown is not None
    card, memory = shown.card, session.memories.get(shown.card.id, NEW_MEMORY)
    recall = KNOWN_AT_FIRST
    if memory is not NEW_MEMORY:
        recall = services.scheduler.retrievability(memory, services.today)
    is_known = random.random() < recall
    clock.advance(timedelta(seconds=random.uniform(6, 40)))
    evidence = services.evidence(card)
    given = _right(shown, services) if is_known else _wrong(shown, services)
    confidence: Confidence | None = None
    if given is not None:
        confidence = random.choice(
            (Confidence.SURE, Confidence.CERTAIN, Confidence.SURE, Confidence.UNSURE)
            if is_known
            else (Confidence.GUESS, Confidence.UNSURE, Confidence.UNSURE, Confidence.SURE)
        )
    session.answer(given, evidence, confidence)
    if is_known:
        session.rate(random.choices((Rating.HARD, Rating.GOOD, Rating.EASY), (1, 8, 1))[0])
    else:
        session.rate(Rating.AGAIN)


def _right(shown: Shown, services: Services) -> Given:
    """What a learner who knows the card gives."""
    card, evidence = shown.card, services.evidence(shown.card)
    match card.body:
        case Order(steps=steps):
            return tuple(shown.steps.index(step) for step in steps)
        case Match(pairs=pairs):
            return tuple(shown.rights.index(right) for _, right in pairs)
        case Numeric(answer=number):
            return str(number)
        case Choice(options=options) | Predict(options=options) if options:
            right = right_option(card, evidence)
            return None if right is None else shown.options.index(options[right])
        case Exercise():
            return shown.task.right if shown.task else None
        case Recall():
            return None
        case _:
            return right_answer(card, evidence)


def _wrong(shown: Shown, services: Services) -> Given:
    """Another option, where there are options; else nothing is given."""
    if not shown.options or shown.task is not None:
        return None
    return 1 if _right(shown, services) == 0 else 0
