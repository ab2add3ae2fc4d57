from __future__ import annotations

from labs.tasks.word_pairs import PAIRS, as_examples, draw_pairs, rotated


def test_pairs_are_different_and_a_seed_decides() -> None:
    first, again, other = (draw_pairs("opposites", 20, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(set(first)) == 20
    assert all(PAIRS["opposites"][word] == answer for word, answer in first)


def test_rotated_pairs_have_the_same_words_and_no_right_answer() -> None:
    pairs = draw_pairs("capitals", 8, seed=3)
    wrong = rotated(pairs)
    assert [word for word, _ in wrong] == [word for word, _ in pairs]
    assert sorted(answer for _, answer in wrong) == sorted(answer for _, answer in pairs)
    assert not set(wrong) & set(pairs)


def test_examples_are_lines() -> None:
    assert as_examples([("hot", "cold"), ("up", "down")]) == "hot -> cold\nup -> down\n"
    assert as_examples([]) == ""
