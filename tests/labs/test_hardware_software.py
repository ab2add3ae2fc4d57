from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from labs.flash import hardware_software as lab
from labs.flash.hardware_software import TILES
from labs.kernels.flash_tiles import Tiles
from labs.kernels.tile_facts import compile_tiles
from studykit.lab.events import Event, HeatMap, Measurement, Table


def facts(number: int) -> dict[str, Any]:
    """Made up: each field of each tile is another number."""
    fields = ("registers", "stack_bytes", "shared_bytes", "wgmma", "mma_sync", "requests")
    return {
        **{field: 100 * number + place for place, field in enumerate(fields)},
        "ctas_per_sm": 2,
        "num_warps": TILES[number].num_warps,
        "shares": {"registers": 0.5, "shared memory": 0.1 * number, "warps": 1 / 16},
    }


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Of a run in which the compiler answers at once."""
    answer = {tile: facts(number) for number, tile in enumerate(TILES)}
    monkeypatch.setattr(lab, "ask", lambda capability, head_dim: answer)
    return [*lab.run(capability=90, head_dim=128, seed=0, device="cpu")]


def test_measurements_are_those_of_the_tiles_that_they_name(events: list[Event]) -> None:
    found = {event.name: event.value for event in events if isinstance(event, Measurement)}
    at = {tile: 100 * number for number, tile in enumerate(TILES)}
    assert found["spilled_4_warps"] == at[Tiles(128, 128, 4, 2)] + 1
    assert found["spilled_8_warps"] == at[Tiles(128, 128, 8, 2)] + 1
    assert found["spilled_1_stage"] == at[Tiles(128, 128, 4, 1)] + 1
    assert found["wgmma_32"] == at[Tiles(32, 64, 4, 2)] + 3
    assert found["mma_sync_64"] == at[Tiles(64, 64, 4, 2)] + 4


def test_table_and_map_have_a_row_for_each_tile(events: list[Event]) -> None:
    (table,) = (event for event in events if isinstance(event, Table))
    assert [len(row) for row in table.rows] == [len(table.columns)] * len(TILES)
    assert table.rows[-1] == ("128 × 128, 8 warps, 2 stages", 600, 601, 602, 2, 603, 604, 605, 16)
    (shares,) = (event for event in events if isinstance(event, HeatMap))
    assert [*shares.values[2]] == [0.5, 0.2, 1 / 16]
    assert len(set(shares.rows)) == len(TILES)


def test_of_the_fullest_tiles_the_most_sparing_counts() -> None:
    def tile(blocks: int, requests: float) -> Mapping[str, float]:
        return {"ctas_per_sm": blocks, "num_warps": 4, "requests": requests}

    found = lab.fullest(
        {
            Tiles(16, 16, 4, 1): tile(4, 9.0),
            Tiles(16, 32, 4, 1): tile(4, 6.0),
            Tiles(64, 64, 4, 1): tile(1, 2.0),
        }
    )
    assert [event.value for event in found if isinstance(event, Measurement)] == [16, 3.0]


def test_the_compiler_is_asked_about_the_tile_that_was_given() -> None:
    pytest.importorskip("triton")
    few, many = Tiles(64, 16, 4, 1), Tiles(64, 16, 8, 1)
    found = compile_tiles([few, many], capability=90, head_dim=16)
    assert found[many]["shares"]["warps"] == 2 * found[few]["shares"]["warps"] == 8 / 64
    for tile in (few, many):
        registers = found[tile]["registers"]
        assert 16 <= registers <= 255
        assert found[tile]["shares"]["registers"] == registers * 32 * tile.num_warps / 65536
