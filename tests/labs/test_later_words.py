from __future__ import annotations

from labs.bert.later_words import PAIRS, pairs_right


def test_a_pair_is_right_if_both_translations_have_their_word() -> None:
    wanted = ["margem", "banco", "professora", "professor "]
    assert pairs_right(["A margem", "O banco", "A Professora", "O professor"], wanted) == [
        True,
        True,
    ]
    assert pairs_right(["O banco", "O banco", "A professora", "A professora"], wanted) == [
        False,
        False,
    ]


def test_no_word_that_is_wanted_is_a_part_of_its_partner() -> None:
    """Else one translation would pass for either meaning."""
    for _, first, _, second in PAIRS:
        assert first not in second
        assert second not in first
