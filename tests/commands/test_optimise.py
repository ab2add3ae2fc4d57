"""`studykit optimize` and `studykit workload`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from studykit.progress.store import Store
from studykit.review.schedule import DEFAULT_WEIGHTS
from studykit.study.optimising import fit_apart
from tests.commands.dice_course import open_store, study
from tests.commands.runner import AT, Run
from tests.study.long_log import fill_log

pytest.importorskip("fsrs_rs_python")

N_REVIEWS = 1500


@pytest.fixture
def long_log(home: Path) -> Path:
    """A home with a log that is long enough to fit weights to, of a learner who forgets sooner."""
    with closing(open_store(home)) as store:
        fill_log(store, N_REVIEWS, AT)
    return home


def due_days(store: Store) -> dict[str, object]:
    return {card_id: memory.due_day for card_id, memory in store.memories().items()}


def test_weights_are_fitted_judged_and_kept_in_the_history(run: Run, long_log: Path) -> None:
    """What is said is what is stored, and what comes into use is what was judged."""
    outcome = run("optimize")
    assert outcome.code == 0, outcome.err
    assert outcome.err.splitlines()[0] == "reading the log"
    assert "judging on the" in outcome.err
    with closing(open_store(long_log)) as store:
        (entry,) = store.weights()
        assert entry.judgement is not None
        assert entry.n_reviews == N_REVIEWS
        assert entry.is_adopted == (entry.judgement.gain > 0)
        assert (store.weights_in_use() == entry.weights) == entry.is_adopted
        log = store.log_to_fit()
    assert fit_apart(log, DEFAULT_WEIGHTS, 1, lambda _: None).weights == entry.weights
    assert f"{entry.judgement.before.log_loss:.4f} before" in outcome.out
    assert "calibration on the held-out reviews" in outcome.out

    document = run("optimize", "--history", "--json").document
    assert document["in_use"] == (entry.id if entry.is_adopted else None)
    (line,) = document["history"]
    assert line["weights"] == list(entry.weights)
    assert line["judged"]["before"]["bins"][0]["n_reviews"] > 0
    assert f"{N_REVIEWS:,}" in run("optimize", "--history").out


def test_weights_can_be_gone_back_to(run: Run, long_log: Path) -> None:
    run("optimize")
    used = run("optimize", "--use", "1")
    assert (used.code, "In use from the next sitting on" in used.out) == (0, True)
    with closing(open_store(long_log)) as store:
        fitted = store.weights()[0].weights
        assert store.weights_in_use() == fitted
    assert "in use" in run("optimize", "--history").out.splitlines()[-1]
    outcome = run("optimize", "--use", "default")
    assert "defaults" in outcome.out
    with closing(open_store(long_log)) as store:
        assert store.weights_in_use() == DEFAULT_WEIGHTS
    outcome = run("optimize", "--use", "17")
    assert outcome.code == 2
    assert "--history lists them" in outcome.complaint


def test_rescheduling_is_told_before_it_is_done(run: Run, long_log: Path) -> None:
    """Without a terminal it asks nobody, and then does nothing."""
    with closing(open_store(long_log)) as store:
        before = due_days(store)
    run("optimize")
    outcome = run("optimize", "--use", "1", "--reschedule")
    assert outcome.code == 2
    assert "cards" in outcome.out
    assert "this week" in outcome.out
    assert "pass --yes" in outcome.err
    with closing(open_store(long_log)) as store:
        assert due_days(store) == before
    document = run("optimize", "--use", "1", "--reschedule", "--yes", "--json").document
    moved = document["rescheduling"]["n_earlier"] + document["rescheduling"]["n_later"]
    with closing(open_store(long_log)) as store:
        after = due_days(store)
        assert store.check() == []
    assert sum(before[card_id] != after[card_id] for card_id in before) == moved > 0
    again = run("optimize", "--use", "1", "--reschedule", "--yes")
    assert "none moves" in again.out
    assert "Moved" not in again.out


def test_too_short_a_log_is_one_line(run: Run, home: Path) -> None:
    """And before the first sitting no file is made."""
    outcome = run("optimize")
    assert (outcome.code, home.exists()) == (1, False)
    assert outcome.complaint == "nothing was reviewed yet (studykit review begins)"
    assert run("optimize", "--history").out.startswith("No weights were fitted yet")
    study(home, "dice-probability", AT)
    outcome = run("optimize")
    assert outcome.code == 1
    assert "weights are fitted from 400 reviews on, and there are 1" in outcome.err
    with closing(open_store(home)) as store:
        assert store.weights() == []


def test_history_only_lists(run: Run) -> None:
    outcome = run("optimize", "--history", "--reschedule")
    assert outcome.code == 2
    assert "leave --use and --reschedule out" in outcome.complaint


# --- workload ---


def test_the_workload_is_told_for_each_retention(run: Run, home: Path) -> None:
    """Before the first sitting all cards are unseen; then one is known."""
    document = run("workload", "--json").document
    assert (document["unseen"], document["known"], document["new_per_day"]) == (3, 0, 5)
    assert [each["retention"] for each in document["retentions"]][::27] == [0.7, 0.97]
    assert not home.exists()
    study(home, "dice-probability", AT)
    document = run("workload", "--new", "1", "--json").document
    assert (document["unseen"], document["known"], document["new_per_day"]) == (2, 1, 1)
    lines = run("workload").out.splitlines()
    assert any(line.startswith("0.90 (set)") for line in lines)


def test_the_workload_follows_the_weights_in_use(run: Run, long_log: Path) -> None:
    from studykit.review.weights import WeightsEntry

    usual = run("workload", "--json").document["retentions"][20]
    longer = (*(4 * w for w in DEFAULT_WEIGHTS[:4]), *DEFAULT_WEIGHTS[4:])
    entry = WeightsEntry(AT, longer, "a fitter", 0, None, is_adopted=True)
    with closing(open_store(long_log)) as store:
        store.add_weights(entry)
    fewer = run("workload", "--json").document["retentions"][20]
    assert fewer["answers_a_day"] < usual["answers_a_day"]
    longer_line = run("doctor").out.split("new cards a day: ≈ ")[1].split()[0]
    assert int(longer_line) < 29  # answers a day by the defaults
