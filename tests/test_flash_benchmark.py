"""The benchmark of the kernel, without a GPU: what it counts, what it writes, how it goes about it.

Its times come from outside, so that the loop runs here with any clock.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor
from torch._functorch import config as functorch_config

from benchmarks import attention_report, attention_rivals, flash_attention
from benchmarks.attention_cases import (
    OURS,
    OURS_IN_ANY_ORDER,
    RIVALS,
    SDPA,
    Case,
    Outcome,
    Row,
    all_cases,
    goals,
    is_quick,
    rivals_of,
)
from benchmarks.attention_plot import render_plot
from benchmarks.attention_report import document, goal_line, merged, rows_of, table_head, table_row
from benchmarks.attention_rivals import Rival, build_rival, make_inputs, results, row_error
from labs.machine.fresh_process import run_fresh

DENSE = Case(
    direction="forward",
    batch=4,
    n_heads=16,
    n_kv_heads=16,
    n_queries=4096,
    n_keys=4096,
    head_dim=128,
    is_causal=False,
)
TINY = Case(
    direction="backward",
    batch=2,
    n_heads=4,
    n_kv_heads=2,
    n_queries=48,
    n_keys=48,
    head_dim=16,
    is_causal=True,
)
measure_here = flash_attention.measure
MACHINE = {"gpu": "a GPU", "torch": "2", "triton": "3"}
AT = datetime(2026, 11, 25, tzinfo=UTC)


def row(case: Case, peak_bytes: int | None = 1000, **ms: float) -> Row:
    outcomes = {name: Outcome((taken,), peak_bytes) for name, taken in ms.items()}
    return Row(case, {**outcomes, "math": Outcome(reason="OutOfMemoryError: CUDA out of memory.")})


class Ticks:
    """A clock that runs the action and says 1, 2, 3 … milliseconds."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, action: Callable[[], Any]) -> float:
        action()
        self.n += 1
        return float(self.n)


def measure(case: Case, names: Sequence[str], n_rounds: int = 3) -> Row:
    return measure_here(
        case,
        names,
        Ticks(),
        device="cpu",
        dtype=torch.float16,
        n_rounds=n_rounds,
        pause_s=0.0,
    )


# --- what it counts ---


def test_work_is_counted_by_the_convention_of_papers() -> None:
    """Written out once by hand: 2 · 2 · n_queries · n_keys · head_dim a head."""
    assert DENSE.flop == 4 * 4 * 16 * 4096**2 * 128
    assert replace(DENSE, is_causal=True).flop == DENSE.flop / 2
    assert replace(DENSE, direction="backward").flop == 2.5 * DENSE.flop
    assert DENSE.rate(ms=1.0) == pytest.approx(549.755813888)
    assert replace(DENSE, n_kv_heads=2).flop == DENSE.flop


def test_decoding_is_counted_in_bytes_of_the_cache() -> None:
    case = replace(DENSE, direction="decode", batch=1, n_queries=1, n_kv_heads=8)
    assert case.cache_bytes == 2 * (8 * 4096 * 128) * 2
    assert case.rate(ms=0.01) == pytest.approx(1677.7216)
    assert case.unit == "GB/s"


def test_the_cases_are_those_of_the_goals() -> None:
    cases = list(all_cases())
    assert len(set(cases)) == len(cases)
    tokens = {case.batch * case.n_queries for case in cases if case.direction != "decode"}
    assert tokens == {16384}
    assert {case.head_dim for case in cases} == {64, 128, 256}
    assert {case.n_keys for case in cases if case.direction == "decode"} == {
        1024 * n for n in (8, 16, 32, 64, 128)
    }
    assert len([case for case in cases if is_quick(case)]) == 9


def test_the_ratio_is_to_the_fastest_backend_of_sdpa_only() -> None:
    """Neither a median that one slow round moves nor FlexAttention counts."""
    measured = row(DENSE, ours=2.0, cuDNN=1.0, flash=1.6, FlexAttention=0.5)
    assert measured.over(*SDPA) == pytest.approx(0.5)
    assert measured.over("flash") == pytest.approx(0.8)
    assert row(DENSE, cuDNN=1.0).over(*SDPA) is None
    assert row(DENSE, ours=1.0).over(*SDPA) is None
    assert Row(DENSE, {"ours": Outcome((1.0, 9.0, 1.0))}).rate("ours") == DENSE.rate(1.0)


def test_a_goal_is_met_by_the_worst_case_and_by_no_gap() -> None:
    def reached(name: str, *rows: Row) -> tuple[float | None, bool | None]:
        (goal,) = (goal for goal in goals(rows) if goal.name == name)
        return goal.value and round(goal.value, 6), goal.is_met

    name = "forward, head_dim 128, from 2048 tokens: over SDPA's best"
    good, bad = row(DENSE, ours=1.0, cuDNN=0.7), row(DENSE, ours=1.0, cuDNN=0.6, flash=1.1)
    short = row(replace(DENSE, n_queries=1024, n_keys=1024), ours=1.0, cuDNN=0.1)
    assert reached(name, good) == (0.7, True)
    assert reached(f"{name}, aim", good) == (0.7, True)
    assert reached(name, good, bad, short) == (0.6, False)
    assert reached(name, good, row(DENSE, cuDNN=1.0)) == (None, None)
    assert reached("forward, everywhere: over SDPA's flash", good, bad) == (1.1, True)


def test_memory_that_grows_with_the_length_misses_its_goal() -> None:
    shorter = replace(DENSE, batch=8, n_queries=2048, n_keys=2048)
    for peak_bytes, is_met in ((1080, True), (2000, False)):
        rows = [row(shorter, 1000, ours=1.0), row(DENSE, peak_bytes, ours=1.0)]
        (goal,) = (goal for goal in goals(rows) if goal.at_most is not None)
        assert (goal.value, goal.is_met) == (peak_bytes / 1000, is_met)
        assert goal_line(goal).strip().startswith("met" if is_met else "not met")


# --- what it writes ---


def test_the_table_says_why_a_time_is_missing() -> None:
    measured = replace(row(DENSE, 3 * 2**20, ours=1.0, cuDNN=0.8), chosen="cuDNN", clock_mhz=1755)
    cells = [cell.strip() for cell in table_row(measured).strip("|").split("|")]
    assert len(cells) == table_head()[0].count("|") - 1 == table_head()[1].count("|") - 1
    assert cells[0] == "forward, head_dim 128, heads 16/16, dense, 4096"
    assert cells[1:5] == ["TFLOP/s", "550", "", "687"]
    assert cells[7] == "– out of memory"
    assert cells[-4:] == ["0.80", "cuDNN", "3", "1755"]


def test_what_is_kept_can_be_read_again() -> None:
    measured = replace(row(DENSE, ours=1.0, cuDNN=0.8), chosen="cuDNN")
    kept = json.loads(json.dumps(document([measured], MACHINE, AT.isoformat()), allow_nan=False))
    assert table_row(rows_of(kept)[0]) == table_row(measured)
    assert kept["cases"][0]["over_sdpas_best"] == pytest.approx(0.8)
    met = {goal["name"]: goal["is_met"] for goal in kept["goals"]}
    assert met["forward, head_dim 128, from 2048 tokens: over SDPA's best"] is True
    assert met["backward, head_dim 64, from 2048 tokens: over SDPA's best"] is None


def test_a_part_measured_later_joins_the_rest_of_the_same_machine(tmp_path: Path) -> None:
    causal = replace(DENSE, is_causal=True)
    flash_attention.write([row(DENSE, ours=1.0), row(causal, ours=1.0)], MACHINE, tmp_path, AT)
    flash_attention.write([row(causal, ours=2.0)], MACHINE, tmp_path, AT)
    kept = json.loads((tmp_path / "flash_attention.json").read_text(encoding="utf-8"))
    assert {(r.case.is_causal, r.rate(OURS)) for r in rows_of(kept)} == {
        (False, DENSE.rate(1.0)),
        (True, causal.rate(2.0)),
    }
    assert merged(kept, [], {**MACHINE, "gpu": "another"}) == []
    assert (tmp_path / "flash_attention.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_plot_has_a_panel_for_each_family_and_a_mark_for_each_rate() -> None:
    lengths = (1024, 2048, 16384)
    rows = [
        row(replace(DENSE, head_dim=head_dim, n_queries=n, n_keys=n), ours=1.0, cuDNN=0.7)
        for head_dim in (64, 128)
        for n in lengths
    ]
    svg = ElementTree.fromstring(render_plot(rows, "Attention <on> a GPU"))
    space = {"svg": "http://www.w3.org/2000/svg"}
    panels = svg.findall("svg:g", space)
    assert len(panels) == 2
    for panel in panels:
        tips = [title.text or "" for title in panel.iterfind(".//svg:title", space)]
        assert sum(tip.startswith("ours: ") for tip in tips) == len(lengths)
        assert sum(tip.startswith("cuDNN: ") for tip in tips) == len(lengths)
        xs = [float(mark.get("cx", "nan")) for mark in panel.iterfind("svg:circle", space)]
        assert xs == sorted(xs) and xs[1] - xs[0] == pytest.approx((xs[2] - xs[1]) / 3, abs=0.2)
    names = [text.text for text in svg.iterfind("svg:text", space)]
    assert set(RIVALS) < set(names)


# --- how it goes about it ---


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_rivals_are_timed_in_turn(direction: Any) -> None:
    measured = measure(replace(TINY, direction=direction), ["math", "flash", "naive"])
    assert [measured.outcomes[name].ms for name in ("math", "flash", "naive")] == [
        (1.0, 4.0, 7.0),
        (2.0, 5.0, 8.0),
        (3.0, 6.0, 9.0),
    ]
    assert measured.chosen in SDPA


def test_a_decoding_case_runs() -> None:
    case = replace(TINY, direction="decode", n_queries=1, is_causal=False)
    assert measure(case, ["math", "naive"]).outcomes["naive"].ms == (2.0, 4.0, 6.0)


def test_a_backend_that_cannot_is_named_and_the_others_go_on() -> None:
    """There is no cuDNN on a processor."""
    measured = measure(TINY, ["cuDNN", "math"])
    assert measured.outcomes["cuDNN"].ms == ()
    assert measured.outcomes["cuDNN"].reason.startswith("RuntimeError: No ")
    assert "– no kernel" in table_row(measured)
    assert measured.outcomes["math"].ms == (1.0, 2.0, 3.0)


def break_naive(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Tensor], Tensor]) -> None:
    def build(name: str, case: Case, device: str) -> Rival:
        rival = build_rival(name, case, device)
        return Rival(lambda q, k, v: spoil(rival.attend(q, k, v))) if name == "naive" else rival

    monkeypatch.setattr(flash_attention, "build_rival", build)


def one_row_off(out: Tensor) -> Tensor:
    spoilt = out.clone()
    spoilt[-1, -1, -1] *= 1.2
    return spoilt


@pytest.mark.parametrize(
    "spoil", [one_row_off, lambda out: out * math.nan, lambda out: 2 * out - out.detach()]
)
def test_a_wrong_kernel_is_not_timed(
    spoil: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row of one head, NaN, or gradients alone."""
    break_naive(monkeypatch, spoil)
    measured = measure(TINY, ["naive", "math"])
    assert measured.outcomes["naive"].ms == ()
    assert measured.outcomes["naive"].reason.startswith("wrong: a row is ")
    assert measured.outcomes["math"].ms == (1.0, 2.0, 3.0)


def test_a_row_is_judged_beside_its_own_length_and_a_typical_one() -> None:
    expected = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    actual = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    assert row_error(actual, expected) == pytest.approx(1 / math.sqrt(12.5))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("is_causal", [False, True])
def test_flex_attention_is_asked_for_the_same_thing(
    is_causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncompiled, since no compiler may be here."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    monkeypatch.setattr(functorch_config, "donated_buffer", True)  # as it was, afterwards
    case = replace(TINY, is_causal=is_causal, direction="forward")
    inputs = make_inputs(case, device="cpu", dtype=torch.float32)
    (flex,), (math_,) = (
        results(build_rival(name, case, "cpu").attend, case, inputs)
        for name in ("FlexAttention", "math")
    )
    torch.testing.assert_close(flex, math_, atol=1e-5, rtol=1e-5)


NAMES = (OURS, OURS_IN_ANY_ORDER, "math")


def measure_ours() -> list[Row]:
    """Every direction with our kernel, in a process that was told to interpret it."""
    decode = replace(TINY, direction="decode", n_queries=1, n_keys=300, is_causal=False)
    cases = [TINY, replace(TINY, direction="forward"), decode]
    return [measure(case, [name for name in rivals_of(case) if name in NAMES], 1) for case in cases]


def test_our_kernel_is_right_and_timed_in_every_direction() -> None:
    pytest.importorskip("triton", reason="Triton exists on Linux only")
    rows = run_fresh(measure_ours, env={"TRITON_INTERPRET": "1"}, timeout_s=120)
    for measured in rows:
        assert {outcome.reason for outcome in measured.outcomes.values()} == {""}
        assert measured.outcomes[OURS].ms == (1.0,)
    assert [OURS_IN_ANY_ORDER in measured.outcomes for measured in rows] == [True, False, False]


def test_without_a_gpu_nothing_is_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert flash_attention.main([]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "python -m benchmarks.flash_attention needs Linux and a CUDA GPU: nothing was measured"
    ]


def test_a_run_prints_its_table_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the options to the files, on a processor that passes for a GPU without cuDNN."""
    forward = replace(TINY, direction="forward")
    monkeypatch.setattr(flash_attention, "why_not_here", lambda: "")
    monkeypatch.setattr(flash_attention, "all_cases", lambda: [TINY, forward])
    monkeypatch.setattr(flash_attention, "rivals_of", lambda case, quick: ["ours", "cuDNN", "math"])
    monkeypatch.setattr(flash_attention, "build_rival", naive_for_ours)
    monkeypatch.setattr(
        flash_attention,
        "measure",
        partial(measure_here, device="cpu", dtype=torch.float16, n_rounds=1, pause_s=0.0),
    )
    monkeypatch.setattr(flash_attention, "gpu_clock", Ticks())
    monkeypatch.setattr(flash_attention, "RESULTS", tmp_path)
    monkeypatch.setattr(attention_report, "machine_facts", lambda: MACHINE)
    assert flash_attention.main(["--record", "--only", "forward"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gpu: a GPU"
    assert [line for line in lines if line.startswith("| forward") and "no kernel" in line]
    assert not [line for line in lines if line.startswith("| backward")]
    assert lines[-1].startswith("    open  peak memory for as many tokens")
    kept = json.loads((tmp_path / "flash_attention.json").read_text(encoding="utf-8"))
    assert [row.case for row in rows_of(kept)] == [forward]


def naive_for_ours(name: str, case: Case, device: str) -> Rival:
    return build_rival("naive" if name == OURS else name, case, device)


def test_a_first_look_cannot_be_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        flash_attention.main(["--quick", "--record"])
    assert "measures too little to be recorded" in capsys.readouterr().err


def test_rivals_have_builders_for_every_name() -> None:
    assert set(SDPA) == set(attention_rivals.BACKENDS)
