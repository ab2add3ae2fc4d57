"""The curves of several seeds as one: their mean, and the room that they take."""

from __future__ import annotations

import math

import pytest

from studykit.lab.events import Curve
from studykit.study.curves import Room, has_diverged, mean_curve


def line(*ys: float, xs: tuple[float, ...] | None = None) -> Curve:
    return Curve("loss", "base", xs or tuple(range(len(ys))), ys)


def test_the_mean_is_taken_where_every_seed_has_a_point() -> None:
    assert mean_curve([line(1, 2, 3), line(3, 4, 5)]) == line(2, 3, 4)
    shorter = mean_curve([line(1, 2, 3), line(5, 7, xs=(2, 1))])
    assert shorter == line(4.5, 4, xs=(1, 2))
    assert mean_curve([line(1, xs=(0,)), line(1, xs=(1,))]) is None
    assert mean_curve([line(1, 2)]) == line(1, 2)


def test_a_seed_that_diverged_is_no_part_of_the_mean() -> None:
    """As of a number: the middle is that of the seeds that did not diverge."""
    assert mean_curve([line(1, 2), line(1, math.nan), line(3, 4)]) == line(2, 3)
    lost = mean_curve([line(1, math.inf), line(1, math.nan)])
    assert lost is not None and has_diverged(lost) and lost.ys[0] == 1


def test_huge_values_have_a_mean() -> None:
    mean = mean_curve([line(1.7e308), line(1.7e308)])
    assert mean is not None and mean.ys == (1.7e308,)


def test_the_room_only_grows_and_in_steps_to_the_right() -> None:
    """So an axis stays where it is while most points come, and at the next seed."""
    room, seen = Room(), []
    for n in range(1, 101):
        room.take_in([line(float(n), xs=(n,))])
        seen.append(room.corners[1][0])
    assert sorted(set(seen)) == [1, 2, 5, 10, 20, 50, 100]
    assert seen == sorted(seen)
    room.take_in([line(0.5, xs=(1,))])
    assert room.corners == ((1, 0.5), (100, 100))


def test_what_is_known_to_come_is_no_surprise() -> None:
    room = Room()
    room.take_in([line(4, 2, xs=(0, 180))], is_exact=True)
    assert room.corners == ((0, 2), (180, 4))
    room.take_in([line(3, xs=(30,))])
    assert room.corners == ((0, 2), (180, 4))


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_what_diverged_takes_no_room(lost: float) -> None:
    room = Room()
    room.take_in([line(lost), line(1.0, xs=(lost,))])
    assert not room.corners
    room.take_in([line(-3.0, xs=(-2,))])
    assert room.corners == ((-2, -3.0), (-2, -3.0))
