"""Runs are kept within bounds, and read no further than somebody looks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.errors import StoreError
from studykit.lab.events import Curve, HeatMap, Measurement
from studykit.lab.results import Prediction, RunResult, SeedResult, result_to_json
from studykit.progress import runs
from studykit.progress.runs import RunEntry, StoredRun
from studykit.progress.store import Store
from tests.progress.builders import MONDAY, make_run, open_store
from tests.progress.test_migrations import upgrade


def with_curves(run: RunResult, *n_points: int) -> RunResult:
    """`run` with a curve of so many points each in its one seed, and a measurement."""
    curves = tuple(
        Curve("loss", f"arm {n}", tuple(map(float, range(n))), tuple(x / 7 for x in range(n)))
        for n in n_points
    )
    seed = SeedResult(0, {"loss": Measurement("loss", 3.25, "nats")}, {"stuck": True}, curves)
    return replace(run, seeds=(seed,))


def record(store: Store, run: RunResult) -> int:
    return store.record_run(run, card_id=None, prediction=None)


def curves_of(store: Store, run_id: int) -> list[int]:
    """The points of each curve of a stored run."""
    stored = store.run(run_id)
    assert stored is not None
    return [len(curve.xs) for seed in stored.result.seeds for curve in seed.all(Curve)]


def test_an_entry_knows_all_that_a_list_shows(store: Store) -> None:
    """The same whether the run is in hand or was stored."""
    bet = Prediction("3.3", claim="", value=3.3, confidence=70, correct=False)
    result = make_run(knobs={"n_layers": 8, "rate": float("inf")})
    run_id = store.record_run(result, card_id="a", prediction=bet)

    assert store.run_entries() == [RunEntry.of(run_id, result, "a", bet)]
    assert store.run(run_id) == StoredRun(run_id, result, "a", bet)
    assert store.run(run_id + 1) is None


def test_the_newest_runs_of_a_lab_come_without_their_charts(store: Store) -> None:
    for n in range(3):
        record(store, make_run(loss=n, at=MONDAY + timedelta(hours=n)))
    record(store, make_run("core/norm"))

    newest = store.newest_runs("core/residuals", 2)

    assert [run.result.values("loss") for run in newest] == [(2,), (1,)]
    assert [run.result.seeds[0].events for run in newest] == [(), ()]
    assert len(list(store.each_run())) == 4


def test_a_large_run_keeps_its_numbers_and_fewer_points(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long curves are thinned before anything is left out; then the largest go first."""
    small = record(store, with_curves(make_run(), 200, 100))
    monkeypatch.setattr(runs, "MAX_EVENT_BYTES", 50_000)
    thinned = record(store, with_curves(make_run(), 100_000, 100))
    monkeypatch.setattr(runs, "MAX_EVENT_BYTES", 2_500)
    cut = record(store, with_curves(make_run(), 100_000, 50))

    assert curves_of(store, small) == [200, 100]
    assert curves_of(store, thinned) == [500, 100]
    assert curves_of(store, cut) == [50]
    stored = store.run(cut)
    assert stored is not None
    assert stored.result.values("loss") == (3.25,)
    with closing(sqlite3.connect(store.path)) as connection:
        sizes = connection.execute("SELECT max(length(events) - n_bytes) FROM outcomes").fetchone()
    assert sizes == (0,)


def test_what_is_no_curve_is_left_out_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_EVENT_BYTES", 5_000)
    side = tuple(map(str, range(100)))
    heat_map = HeatMap("weights", side, side, ((0.5,) * 100,) * 100, "")
    run = with_curves(make_run(), 20)
    (seed,) = run.seeds
    run_id = record(store, replace(run, seeds=(replace(seed, events=(heat_map, *seed.events)),)))

    assert curves_of(store, run_id) == [20]


def test_a_run_that_measures_without_end_is_refused(store: Store) -> None:
    many = {f"m{n}": Measurement(f"m{n}", 1.0) for n in range(20_000)}
    with pytest.raises(StoreError, match=r"is not kept: its measurements take [\d,]+ bytes"):
        record(store, replace(make_run(), seeds=(SeedResult(0, many, {}),)))

    assert store.run_entries() == []


def test_the_charts_of_old_runs_give_way_to_new_ones(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The latest complete run of each lab and knobs goes last: a card may show it."""
    first = record(store, with_curves(make_run(), 200))
    with closing(sqlite3.connect(store.path)) as connection:
        (n_bytes,) = connection.execute("SELECT n_bytes FROM outcomes").fetchone()
    monkeypatch.setattr(runs, "KEPT_EVENT_BYTES", 3 * n_bytes)
    other = record(store, with_curves(make_run("core/norm"), 200))
    repeated = [record(store, with_curves(make_run(), 200)) for _ in range(4)]
    broken = record(store, with_curves(make_run(status="cancelled"), 200))

    kept = [run.id for run in store.runs() if not run.is_thinned]

    assert kept == [other, repeated[-1], broken]
    stored = store.run(first)
    assert stored is not None and stored.is_thinned
    assert stored.result.values("loss") == (3.25,)
    assert len(store.run_entries()) == 7


OLD_RUN = """\
INSERT INTO runs (lab, started_at_ms, offset_min, seconds, status, device, machine, code_hash,
    knobs, seeds, result, prediction)
VALUES ('core/residuals', ?, 60, 24.0, 'done', 'cpu', 'Test CPU, 2 cores', 'c0de',
    '{"n_layers": 8}', '[0]', ?, NULL)
"""
"""A run as revision 0003 stored it: its time, and its result as JSON."""


def test_runs_of_an_older_studykit_keep_everything(tmp_path: Path) -> None:
    """Those from before there were budgets or walks, too; what cannot be read is told of."""
    path = tmp_path / "progress.sqlite3"
    upgrade(path, "0003")
    result = replace(make_run(), budget=4.0)
    older = result_to_json(make_run())
    del older["budget"]
    (curve,) = older["seeds"][0].pop("events")
    del curve["event"]
    older["seeds"][0]["curves"] = [curve]
    at_ms = round(MONDAY.timestamp() * 1000)
    with closing(sqlite3.connect(path)) as connection, connection:
        for text in (json.dumps(result_to_json(result)), json.dumps(older), "no JSON", "[]"):
            connection.execute(OLD_RUN, (at_ms, text))

    with closing(open_store(tmp_path)) as store:
        assert [run.result for run in store.runs()] == [result, make_run()]
        assert [entry.budget for entry in store.run_entries()] == [4.0, 1.0, 1.0, 1.0]
        assert [line.split(" cannot")[0] for line in store.check()] == [
            "run 3 of core/residuals",
            "run 4 of core/residuals",
        ]
