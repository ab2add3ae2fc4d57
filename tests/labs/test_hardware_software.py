from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from labs.flash import hardware_software
from labs.flash.hardware_software import TILES, Facts
from labs.machine.fresh_process import run_fresh
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table

FACTS = {
    # registers, spilled, shared, blocks, wgmma, mma.sync, reads; a run on sm_90, rounded
    "queries_32": (115, 0, 46080, 4, 0, 128, 11.0),
    "keys_32": (114, 0, 49184, 4, 20, 0, 5.67),
    "square_64": (138, 0, 82944, 2, 24, 0, 5.67),
    "keys_128": (186, 0, 148480, 1, 32, 0, 5.67),
    "queries_128": (250, 0, 98336, 2, 48, 0, 3.0),
    "third_stage": (250, 0, 132096, 1, 48, 0, 3.0),
    "square_128": (255, 592, 164864, 1, 64, 0, 3.0),
    "one_stage": (255, 416, 65544, 2, 64, 0, 3.0),
    "eight_warps": (188, 0, 164864, 1, 32, 0, 3.0),
}
DEFAULT_RUN = {
    f"{field}_{name}": float(value)
    for name, values in FACTS.items()
    for field, value in zip(hardware_software.MEASURED, values, strict=True)
}
SHARES = {"share of registers": 0.5, "share of shared memory": 0.4, "share of warps": 1 / 16}

nan = math.nan


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The compiler answers at once what it once answered."""
    answer: dict[str, Facts] = {
        name: dict(zip(hardware_software.MEASURED, values, strict=True)) | SHARES
        for name, values in FACTS.items()
    }
    monkeypatch.setattr(hardware_software, "ask_compiler", lambda *asked: answer)
    yield


def events() -> list[Event]:
    return [*hardware_software.run(capability=90, head_dim=128, seed=0, device="cpu")]


def test_a_run_measures_what_the_verdict_asks_for(no_compiler: None) -> None:
    measured = {e.name: e.value for e in events() if isinstance(e, Measurement)}
    assert measured == DEFAULT_RUN
    assert set(hardware_software.verdict(measured)) == set(hardware_software.CLAIMS)
    assert [e.done for e in events() if isinstance(e, Progress)] == [0, 1]


def test_table_and_map_have_a_row_for_each_tile(no_compiler: None) -> None:
    (table,) = (e for e in events() if isinstance(e, Table))
    assert [len(row) for row in table.rows] == [len(table.columns)] * len(TILES)
    by_size = {(row[0], row[1], row[2]): row for row in table.rows}
    assert by_size["128 × 128", 4, 2][3:8] == (255, 592, 161, 1, 4)
    (shares,) = (e for e in events() if isinstance(e, HeatMap))
    assert len(set(shares.rows)) == len(TILES)
    assert [*shares.values[0]] == [0.5, 0.4, 1 / 16]


def test_the_compiler_is_asked_about_the_tile_that_was_given() -> None:
    pytest.importorskip("triton")
    found = hardware_software.compile_tiles(
        {"few": (64, 16, 4, 1), "many": (64, 16, 8, 1)}, capability=90, head_dim=16
    )
    assert found["many"]["share of warps"] == 2 * found["few"]["share of warps"] == 8 / 64
    for name, warps in (("few", 4), ("many", 8)):
        registers = found[name]["registers"]
        assert 16 <= registers <= 255
        assert found[name]["share of registers"] == registers * 32 * warps / 65536
        assert found[name].keys() >= set(hardware_software.FIELDS)


def test_reads_are_counted_as_the_kernel_makes_them() -> None:
    """Queries once, keys and values once for each tile of queries: (1 + 2 · tiles) / 3."""
    pytest.importorskip("triton")
    reads = run_fresh(
        hardware_software.count_reads,
        {"half": (16, 32, 4, 2), "whole": (32, 16, 4, 2)},
        32,
        env={"TRITON_INTERPRET": "1"},
        timeout_s=60,
    )
    assert reads == {"half": 5 / 3, "whole": 1.0}


def test_the_verdict_of_a_default_run() -> None:
    verdict = hardware_software.verdict(DEFAULT_RUN)
    holds = {claim for claim, held in verdict.items() if held}
    assert holds == {"warps_help", "rows_save", "stages_cost", "fullest_reads", "small_loses"}
    assert None not in verdict.values()


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("warps_help", {"stack_bytes_square_128": 256}, False),
        ("warps_help", {"stack_bytes_eight_warps": 64}, True),
        ("warps_help", {"stack_bytes_eight_warps": 65}, False),
        ("stages_help", {"stack_bytes_one_stage": 64}, True),
        ("stages_help", {"stack_bytes_one_stage": 65}, False),
        ("nothing_helps", {"stack_bytes_eight_warps": 65}, True),
        ("nothing_helps", {"stack_bytes_eight_warps": 64}, False),
        ("rows_save", {"reads_queries_128": 3.39}, True),
        ("rows_save", {"reads_queries_128": 3.41}, False),
        ("rows_save", {"reads_keys_128": 5.5}, False),
        ("keys_save", {"reads_keys_128": 3.0, "reads_queries_128": 5.67}, True),
        ("keys_save", {"reads_keys_128": 3.0}, False),
        ("both_save", {"reads_keys_128": 5.0}, True),
        ("both_save", {"reads_keys_128": 5.2}, False),
        ("stages_cost", {"ctas_per_sm_third_stage": 2}, False),
        ("stages_cost", {"stack_bytes_third_stage": 65}, False),
        ("stages_spill", {"stack_bytes_third_stage": 65}, True),
        ("stages_spill", {"stack_bytes_third_stage": 64}, False),
        ("stages_free", {"ctas_per_sm_third_stage": 2}, True),
        ("stages_free", {"ctas_per_sm_third_stage": 2, "stack_bytes_third_stage": 65}, False),
        ("fullest_best", {"ctas_per_sm_queries_128": 5}, True),
        ("fullest_best", {"ctas_per_sm_queries_128": 5, "reads_one_stage": 2.7}, False),
        ("fullest_near", {"ctas_per_sm_queries_128": 5, "reads_one_stage": 2.7}, True),
        ("fullest_near", {"ctas_per_sm_queries_128": 5}, False),
        ("fullest_reads", {"ctas_per_sm_queries_128": 5}, False),
        ("fullest_reads", {"ctas_per_sm_eight_warps": 3}, False),
        ("small_loses", {"wgmma_queries_32": 1}, False),
        ("small_loses", {"mma_sync_square_64": 1}, False),
        ("small_loses", {"wgmma_square_64": 0}, False),
        ("warps_help", {"stack_bytes_square_128": nan}, None),
        ("fullest_reads", {"reads_keys_32": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert hardware_software.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("eight", [0, 64, 65, 900])
@pytest.mark.parametrize("third", [0, 64, 65, 900])
@pytest.mark.parametrize("blocks", [1, 2, 5])
@pytest.mark.parametrize("reads", [1.0, 3.0, 5.0, 5.67, 8.0])
def test_a_prediction_has_one_right_option_at_most(
    eight: int, third: int, blocks: int, reads: float
) -> None:
    """The claims that a learner chooses between exclude one another."""
    verdict = hardware_software.verdict(
        DEFAULT_RUN
        | {"stack_bytes_eight_warps": eight, "stack_bytes_third_stage": third}
        | {"ctas_per_sm_third_stage": blocks, "reads_keys_128": reads}
    )

    def right(*claims: str) -> int:
        return sum(verdict[claim] is True for claim in claims)

    assert right("warps_help", "stages_help", "nothing_helps") == 1
    assert right("stages_cost", "stages_spill", "stages_free") == 1
    assert right("rows_save", "keys_save", "both_save") <= 1
    assert right("fullest_best", "fullest_near", "fullest_reads") == 1
