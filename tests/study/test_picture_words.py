"""Maps and tables in words."""

from __future__ import annotations

import math

from studykit.lab.events import HeatMap, Measurement, Table
from studykit.lab.results import SeedResult
from studykit.study.picture_words import describe_map, describe_pictures, describe_table


def test_a_map_is_told_by_where_it_is_brightest() -> None:
    shown = HeatMap(
        "layer 1", ("[CLS]", "cat"), ("[CLS]", "cat"), ((0.9, 0.1), (0.7, 0.3)), "share"
    )

    assert describe_map(shown) == (
        "layer 1 (share). Columns by their mean: [CLS] 0.800, cat 0.200. "
        "Largest: [CLS] to [CLS] 0.900, cat to [CLS] 0.700, cat to cat 0.300."
    )


def test_masked_and_diverged_cells_are_left_out() -> None:
    shown = HeatMap("m", ("a", " "), ("b", "c"), ((None, math.nan), (0.5, math.inf)))

    assert describe_map(shown) == "m. Columns by their mean: b 0.500. Largest: blank to b 0.500."
    assert describe_map(HeatMap("m", ("a",), ("b",), ((None,),))) == "m: nothing to be named."
    assert describe_map(HeatMap("m", (), (), ())) == "m: nothing to be named."


def test_columns_of_one_word_stay_apart() -> None:
    shown = HeatMap("m", ("a",), ("the", "cat", "the"), ((0.2, 0.6, 0.6),))

    assert "mean: cat 0.600, the 0.600, the 0.200. Largest: a to cat" in describe_map(shown)


def test_a_table_is_read_row_by_row_up_to_a_bound() -> None:
    few = Table("Ranks", ("word", "rank"), (("Par\x1bis", 1), ("Rome\nagain", 12.5)))
    many = Table("Ranks", ("rank",), tuple((n,) for n in range(20)))

    assert [*describe_table(few)] == [
        "Ranks:",
        "word Par␛is, rank 1",
        "word Rome again, rank 12.50",
    ]
    assert [*describe_table(many)][-2:] == ["rank 11", "and 8 more."]


def test_maps_come_before_tables_and_numbers_are_told_elsewhere() -> None:
    seed = SeedResult(
        0,
        {"loss": Measurement("loss", 1.0)},
        {},
        (Table("Ranks", ("rank",), ((1,),)), HeatMap("m", ("a",), ("b",), ((1.0,),))),
    )

    lines = [*describe_pictures(seed)]

    assert [line.split()[0] for line in lines] == ["m.", "Ranks:", "rank"]
