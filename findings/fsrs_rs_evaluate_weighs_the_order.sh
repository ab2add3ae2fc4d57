#!/usr/bin/env bash
# fsrs-rs-python's `FSRS.evaluate` weighs items by their place in the list.
#
# Seen with fsrs-rs-python 0.9.3 (fsrs 6.6.2) on Python 3.11.
#
# The usual guess: the log loss of many reviews is the mean of theirs, so that it does not depend
# on their order, and two sets of weights are compared by what they lose on the average review.
#
# What happens: the last of n items counts four times as much as the first. The weight of item i is
# 0.25 + 0.75 · (i / (n - 1))³, as when weights are fitted, where recent reviews are to count more.
# The same items turned round have another log loss and another RMSE (bins); evaluated one by one
# they have the mean that was expected.
#
# What helps: predict recall from `memory_state_batch` and take the mean oneself where reviews are
# to count alike, as on a set that was held out; sort items by time before `evaluate`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'fsrs-rs-python==0.9.3'

"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version
from random import Random

from fsrs_rs_python import DEFAULT_PARAMETERS, FSRS, FSRSItem, FSRSReview

print(f"fsrs-rs-python {version('fsrs-rs-python')}")
random = Random(0)
# Cards rated Good and asked again after some days: at first forgotten often, later seldom.
items = [
    FSRSItem([FSRSReview(3, 0), FSRSReview(3 if random.random() < 0.6 + 0.4 * n / 1000 else 1, days)])
    for n, days in enumerate(random.choices((1, 3, 8, 20), k=1000))
]
model = FSRS(DEFAULT_PARAMETERS)
losses = [model.evaluate([item]).log_loss for item in items]
mean = sum(losses) / len(losses)
weights = [0.25 + 0.75 * (i / 999) ** 3 for i in range(1000)]
weighed = sum(w * loss for w, loss in zip(weights, losses)) / sum(weights)
forwards, backwards = model.evaluate(items), model.evaluate(items[::-1])
print(f"mean of the items one by one: {mean:.4f}")
print(f"all of them: {forwards.log_loss:.4f}, RMSE (bins) {forwards.rmse_bins:.4f}")
print(f"turned round: {backwards.log_loss:.4f}, RMSE (bins) {backwards.rmse_bins:.4f}")
print(f"weighed by 0.25 + 0.75 (i / (n - 1))³: {weighed:.4f}")
assert abs(forwards.log_loss - mean) > 0.01, "changed: the log loss is a plain mean"
assert abs(forwards.log_loss - weighed) < 1e-4, "changed: other weights"
assert backwards.log_loss > forwards.log_loss + 0.01, "changed: the order does not matter"
print("as found: what comes last counts most")
PYTHON
