#!/usr/bin/env bash
# The fsrs package counts time in whole periods of 24 hours since the last review.
#
# Seen with fsrs 6.3.2 on Python 3.11.
#
# The usual guess: forgetting goes on all the time, so `get_card_retrievability` falls hour by
# hour; and a review on the next morning counts as a day later, as it does in Anki, where the day
# turns at 4 in the morning.
#
# What happens: the elapsed time is `timedelta.days`. For 24 hours after a review the card is
# recalled with probability 1.0 exactly, then the value falls in steps. A card rated at 22:00 and
# again at 21:00 on the next evening is treated as reviewed twice on the same day: its stability
# does not grow. Two hours later it does, by 40 %. Who studies every day a little earlier than the
# day before never gets a day's credit.
#
# What helps: count study days of the learner's own and give the scheduler times that are whole
# days apart.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'fsrs==6.3.2'

"$folder/venv/bin/python" - <<'PYTHON'
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from fsrs import Card, Rating, Scheduler, State

print(f"fsrs {version('fsrs')}")
scheduler = Scheduler(enable_fuzzing=False)
card, at = Card(), datetime(2026, 11, 2, 22, tzinfo=UTC)
while card.state is not State.Review or card.stability < 5:
    card, _ = scheduler.review_card(card, Rating.Good, at)
    at = card.due
last = card.last_review

chances = {
    hours: scheduler.get_card_retrievability(card, last + timedelta(hours=hours))
    for hours in (1, 12, 23, 24, 47, 48)
}
for hours, chance in chances.items():
    print(f"retrievability {hours:2} h after the review: {chance:.4f}")
assert chances[1] == chances[12] == chances[23] == 1.0, "changed: it falls within the first day"
assert 1.0 > chances[24] == chances[47] > chances[48], "changed: no steps of whole days any more"

after = {
    hours: scheduler.review_card(card, Rating.Good, last + timedelta(hours=hours))[0].stability
    for hours in (23, 25)
}
print(f"stability {card.stability:.2f}; Good after 23 h: {after[23]:.2f}, after 25 h: {after[25]:.2f}")
assert abs(after[23] / card.stability - 1) < 0.01, "changed: 23 hours count for something"
assert after[25] / card.stability > 1.3, "changed: 25 hours count for less"
print("as found: the clock of the scheduler ticks once in 24 hours")
PYTHON
