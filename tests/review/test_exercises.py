"""Exercises: what is drawn can always be answered, in one way, and is scored within its bounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given as on
from hypothesis import strategies as st

from studykit.course.cards import Exercise, Form
from studykit.lab.events import Table
from studykit.lab.results import RunResult, SeedResult
from studykit.review.exercises import Task, draw_task, score, trouble_with
from studykit.review.grading import AnswerError, Grade, grade, present
from studykit.review.schedule import Rating
from tests.review.helpers import make_card, make_run

Cell = str | float
RANK = Exercise("rank", "Cost", "part", "cost", draw=3)
PICK = Exercise("pick", "Cost", "part", "cost", draw=4, choose=2)
PLACE = Exercise("place", "Cost", "part", "kind", draw=3)
SIGNS = Exercise(
    "signs", "Cost", "part", "cost", draw=3, apart=0.1, words=("worse", "same", "better")
)
FORMS = {"rank": RANK, "pick": PICK, "place": PLACE, "signs": SIGNS}
COLUMNS = ("model", "part", "kind", "cost")


def make_table_run(
    *tables: Sequence[Sequence[Cell]], columns: Sequence[str] = COLUMNS
) -> RunResult:
    """A recorded run with a table a seed."""
    seeds = tuple(
        SeedResult(seed, {}, {}, (Table("Cost", columns, rows),))
        for seed, rows in enumerate(tables)
    )
    return replace(make_run(), seeds=seeds, recorded=True)


def rows_of(values: Sequence[float], model: str = "gpt2") -> list[tuple[Cell, ...]]:
    return [
        (model, f"part {n}", ("sum", "product", "none")[n % 3], value)
        for n, value in enumerate(values)
    ]


COSTS = (0.5, -0.4, 0.05, 1.5, -2.0, 0.0, 3.0)
RUN = make_table_run(rows_of(COSTS), rows_of(tuple(reversed(COSTS))))


def drawn(exercise: Exercise, run: RunResult = RUN, key: str = "a:0") -> Task:
    task = draw_task(exercise, [run], key)
    assert task is not None
    return task


# --- drawing ---

tables = st.lists(
    st.lists(st.integers(-6, 6).map(lambda n: n / 20), max_size=9).map(rows_of),
    min_size=1,
    max_size=3,
)
exercises = st.builds(
    lambda body, draw, apart: replace(
        body,
        draw=draw,
        choose=min(body.choose, draw - 1),
        apart=0 if body is PLACE else apart,
    ),
    st.sampled_from(list(FORMS.values())),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.05, 0.1]),
)


def can_serve(exercise: Exercise, rows: Sequence[Sequence[Cell]]) -> bool:
    """By a way of its own: taking the next value that is far enough, from the lowest on."""
    if exercise.form == "place":
        return len(rows) >= exercise.draw and len({row[2] for row in rows}) > 1
    values = sorted(float(row[3]) for row in rows)
    if exercise.form == "signs":
        signs = {(value > exercise.apart) - (value < -exercise.apart) for value in values}
        return len(values) >= exercise.draw and len(signs) > 1
    n, last = 0, -math.inf
    for value in values:
        if value > last and (
            value - last >= exercise.apart or math.isclose(value - last, exercise.apart)
        ):
            n, last = n + 1, value
    return n >= exercise.draw


@on(exercises, tables, st.integers(-5, 5))
def test_what_is_drawn_can_be_answered(
    exercise: Exercise, rows: list[list[tuple[Cell, ...]]], reps: int
) -> None:
    """A task exists if a seed can serve one; its rows stand in that seed's table, each once."""
    run = make_table_run(*rows)
    task = draw_task(exercise, [run], f"a:{reps}")

    assert (task is not None) == any(can_serve(exercise, table) for table in rows)
    if task is None:
        return
    assert len(task.items) == exercise.draw == len(set(task.items))
    column = 2 if exercise.form == "place" else 3
    measured = {row[1]: row[column] for row in rows[task.seed]}
    assert [measured[item] for item in task.items] == list(task.values)
    assert draw_task(exercise, [run], f"a:{reps}") == task
    if exercise.form in ("rank", "pick"):
        values = sorted(map(float, task.values))
        for low, high in pairwise(values):
            assert low < high
            assert high - low >= exercise.apart - 1e-9
    if exercise.form == "rank":
        assert [task.values[place] for place in task.right] == values[::-1]
    if exercise.form == "pick":
        picked = sorted(float(task.values[place]) for place in task.right)
        assert picked == values[-exercise.choose :]
    assert score(exercise, task, task.right) == 1


@on(exercises, st.data())
def test_a_score_is_within_its_bounds_and_one_for_the_right_answer_alone(
    exercise: Exercise, data: st.DataObject
) -> None:
    task = draw_task(exercise, [RUN], f"a:{data.draw(st.integers(0, 50))}")
    if task is None:
        return
    n = len(task.items)
    if exercise.form == "rank":
        given = tuple(data.draw(st.permutations(range(n))))
    elif exercise.form == "pick":
        given = tuple(data.draw(st.permutations(range(n)))[: exercise.choose])
    else:
        given = tuple(data.draw(st.integers(0, len(task.places) - 1)) for _ in range(n))

    reached = score(exercise, task, given)

    assert (-1 if exercise.form == "rank" else 0) <= reached <= 1 + 1e-9
    is_right = set(given) == set(task.right) if exercise.form == "pick" else given == task.right
    assert math.isclose(reached, 1) == is_right


def test_the_rank_correlation_is_spearman_s() -> None:
    """By its definition: Pearson's correlation of the ranks."""
    task = drawn(replace(RANK, draw=6))
    random = Random(1)
    for _ in range(20):
        given = random.sample(range(6), 6)
        mine = [given.index(item) for item in range(6)]
        right = [task.right.index(item) for item in range(6)]
        product = sum((a - 2.5) * (b - 2.5) for a, b in zip(mine, right, strict=True))
        variance = sum((a - 2.5) ** 2 for a in range(6))
        assert math.isclose(score(replace(RANK, draw=6), task, given), product / variance)


def test_every_choice_of_rows_is_drawn_and_none_much_more_often() -> None:
    """Four rows of which the inner two are too close to each other to be asked together."""
    exercise = replace(RANK, draw=2, apart=0.3)
    run = make_table_run(rows_of((0.0, 1.0, 1.1, 2.0)))
    times = Counter(frozenset(drawn(exercise, run, f"a:{reps}").items) for reps in range(1000))

    assert len(times) == 5
    assert frozenset({"part 1", "part 2"}) not in times
    assert all(150 <= n <= 250 for n in times.values())


def test_an_item_is_shown_in_one_line() -> None:
    rows = [("gpt2", f"part\n  {n}", "sum", float(n)) for n in range(5)]
    assert all("\n" not in item for item in drawn(RANK, make_table_run(rows)).items)


def test_a_draw_takes_any_seed_and_any_group() -> None:
    exercise = replace(RANK, group="model")
    rows = [*rows_of(COSTS), *rows_of(COSTS, "llama")]
    tasks = [drawn(exercise, make_table_run(rows, rows), f"a:{n}") for n in range(40)]

    assert {(task.seed, task.group) for task in tasks} == {
        (seed, group) for seed in (0, 1) for group in ("gpt2", "llama")
    }


def test_rows_of_other_groups_are_not_asked() -> None:
    rows = [*rows_of(COSTS), ("llama", "only here", "sum", 9.0)]
    for reps in range(30):
        task = drawn(replace(RANK, group="model"), make_table_run(rows), f"a:{reps}")
        assert task.group == "gpt2"
        assert "only here" not in task.items


@pytest.mark.parametrize("value", [math.nan, math.inf, "text"])
def test_a_value_that_cannot_be_ranked_is_not_asked(value: Cell) -> None:
    rows = [*rows_of(COSTS), ("gpt2", "odd one", "sum", value)]
    tasks = [drawn(RANK, make_table_run(rows), f"a:{reps}") for reps in range(40)]

    assert not any("odd one" in task.items for task in tasks)


def test_an_item_that_stands_twice_is_not_asked() -> None:
    rows = [*rows_of(COSTS), ("gpt2", "part 0", "sum", 9.0)]
    tasks = [drawn(RANK, make_table_run(rows), f"a:{reps}") for reps in range(40)]

    assert not any("part 0" in task.items for task in tasks)


@pytest.mark.parametrize("exercise", [PLACE, SIGNS])
def test_one_word_for_all_is_never_right_where_there_are_two(exercise: Exercise) -> None:
    values = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, -1.0)
    rows = [
        (*row[:2], "rare" if n == 6 else "common", row[3]) for n, row in enumerate(rows_of(values))
    ]
    for reps in range(30):
        task = drawn(exercise, make_table_run(rows), f"a:{reps}")
        assert len(set(task.right)) == 2


@pytest.mark.parametrize("exercise", [PLACE, SIGNS])
def test_a_rare_word_is_asked_for_as_often_as_a_common_one(exercise: Exercise) -> None:
    """One row in four has it; of six rows drawn about half do."""
    values = [-1.0 if n % 4 == 0 else 1.0 + n for n in range(40)]
    rows = [(*row[:2], "rare" if row[3] == -1 else "common", row[3]) for row in rows_of(values)]
    run, six = make_table_run(rows), replace(exercise, draw=6)
    tasks = [drawn(six, run, f"a:{reps}") for reps in range(300)]

    rare = [sum(value in ("rare", -1.0) for value in task.values) for task in tasks]
    assert 2.7 < sum(rare) / len(rare) < 3.3
    assert set(rare) == {1, 2, 3, 4, 5}


def test_a_rank_is_never_shown_in_the_right_order() -> None:
    tasks = [drawn(RANK, key=f"a:{reps}") for reps in range(200)]

    assert all(task.right != (0, 1, 2) for task in tasks)
    assert len({task.right for task in tasks}) == 5


def test_signs_are_told_by_their_distance_from_nothing() -> None:
    run = make_table_run(rows_of((0.11, 0.1, -0.1, -0.11)))
    task = drawn(replace(SIGNS, draw=4), run)

    told = {item: task.places[place] for item, place in zip(task.items, task.right, strict=True)}
    assert told == {"part 0": "worse", "part 1": "same", "part 2": "same", "part 3": "better"}


def test_an_own_run_comes_first_and_the_recorded_one_where_it_cannot_serve() -> None:
    own = replace(make_table_run(rows_of(COSTS)), recorded=False)
    poor = replace(make_table_run(rows_of((1.0,))), recorded=False)

    assert not _from(own, RUN).is_recorded
    assert _from(poor, RUN).is_recorded


def _from(*runs: RunResult) -> Task:
    task = draw_task(RANK, runs, "a:0")
    assert task is not None
    return task


# --- what check tells ---

SHORT = make_table_run(rows_of((1.0, 1.1, 3.0)))
TROUBLES: list[tuple[Exercise, RunResult, str]] = [
    (replace(RANK, table="Gain"), RUN, "no table is called Gain"),
    (replace(RANK, value="gain"), RUN, "table Cost has no column gain"),
    (replace(RANK, group="family"), RUN, "table Cost has no column family"),
    (replace(RANK, value="kind"), RUN, "column kind holds no numbers"),
    (replace(PLACE, value="cost"), RUN, "column cost holds no two different answers in a group"),
    (replace(PLACE, value="model"), RUN, "column model holds no two different answers in a group"),
    (replace(RANK, apart=0.5), SHORT, "no seed has 3 rows that are 0.5 apart"),
    (RANK, SHORT, "of 20 draws only"),
    (
        replace(RANK, group="model"),
        make_table_run([*rows_of(COSTS), *rows_of((1.0, 2.0), "llama")]),
        "no seed has 3 rows of model llama",
    ),
    (
        PLACE,
        make_table_run([("gpt2", f"part {n}", f"kind {n}", 0.0) for n in range(10)]),
        "column kind has 10 different texts",
    ),
]


@pytest.mark.parametrize(("exercise", "run", "gist"), TROUBLES)
def test_what_a_run_cannot_serve_is_told(exercise: Exercise, run: RunResult, gist: str) -> None:
    trouble = trouble_with(exercise, run)

    assert trouble is not None
    assert trouble[0].startswith(gist)
    assert trouble[1]


@pytest.mark.parametrize("exercise", [PLACE, SIGNS])
def test_a_group_of_one_answer_is_never_drawn_and_no_trouble(exercise: Exercise) -> None:
    exercise = replace(exercise, group="model")
    alike = [("llama", f"part {n}", "sum", 0.0) for n in range(5)]
    run = make_table_run([*rows_of(COSTS), *alike])

    assert trouble_with(exercise, run) is None
    assert {drawn(exercise, run, f"a:{reps}").group for reps in range(30)} == {"gpt2"}


@pytest.mark.parametrize("form", FORMS)
def test_what_it_can_serve_is_no_trouble(form: Form) -> None:
    assert trouble_with(FORMS[form], RUN) is None


# --- asking and grading ---


@pytest.mark.parametrize("form", FORMS)
def test_the_right_answer_is_right_at_every_review(form: Form) -> None:
    card = make_card("a", FORMS[form])
    for reps in range(20):
        shown = present(card, reps, [RUN])
        assert shown.task is not None
        graded = grade(shown, shown.task.right, None)
        assert (graded.correct, graded.suggested) == (True, Rating.GOOD)


def test_reviews_ask_for_other_rows() -> None:
    card = make_card("a", RANK)
    tasks = {present(card, reps, [RUN]).task for reps in range(20)}

    assert len(tasks) > 10
    assert present(card, 3, [RUN]) == present(card, 3, [RUN])


def test_the_rating_follows_the_score() -> None:
    """Five rows: neighbours swapped leave 0.9, the order turned round -1."""
    shown = present(make_card("a", replace(RANK, draw=5)), 0, [RUN])
    assert shown.task is not None
    first, second, *rest = shown.task.right

    assert grade(shown, shown.task.right, None).score == "rank correlation 1.00"
    nearly = grade(shown, (second, first, *rest), None)
    assert (nearly.correct, nearly.suggested) == (True, Rating.HARD)
    assert nearly.score == "rank correlation 0.90, 0.8 needed"
    wrong = grade(shown, tuple(reversed(shown.task.right)), None)
    assert (wrong.correct, wrong.suggested) == (False, Rating.AGAIN)
    assert wrong.score == "rank correlation -1.00, 0.8 needed"
    assert grade(shown, None, None).suggested is Rating.AGAIN


def test_what_is_enough_is_the_card_s_to_say() -> None:
    card = make_card("a", replace(SIGNS, right_from=0.6))
    shown = present(card, 0, [RUN])
    assert shown.task is not None
    first, *rest = shown.task.right

    graded = grade(shown, ((first + 1) % 3, *rest), None)

    assert (graded.correct, graded.suggested) == (True, Rating.HARD)
    assert graded.score == "2 of 3 right, 60 % needed"


def test_the_answer_tells_what_was_measured() -> None:
    shown = present(make_card("a", replace(RANK, group="model")), 0, [RUN])
    assert shown.task is not None
    task = shown.task
    first = task.right[0]

    graded = grade(shown, task.right, None)

    assert graded.answer.startswith(
        f"gpt2: {task.items[first]} ({task.values[first]:.3f}".rstrip("0")
    )
    assert graded.given == "gpt2: " + " → ".join(task.items[place] for place in task.right)


def test_the_group_stands_in_the_question() -> None:
    card = replace(make_card("a", replace(RANK, group="model")), question="{group}: which?")

    assert present(card, 0, [RUN]).question == "gpt2: which?"
    assert present(card, 0).question == card.headline == "…: which?"


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("rank", (0, 1)),
        ("rank", (0, 0, 1)),
        ("rank", (0, 1, 3)),
        ("pick", (0, 0)),
        ("pick", (0, 1, 2)),
        ("place", (0, 1, 9)),
        ("signs", (0, 1, 3)),
        ("signs", "worse"),
    ],
)
def test_what_cannot_be_an_answer_is_refused(form: Form, given: tuple[int, ...] | str) -> None:
    shown = present(make_card("a", FORMS[form]), 0, [RUN])

    with pytest.raises(AnswerError):
        grade(shown, given, None)


def test_an_exercise_that_nothing_can_serve_is_not_judged() -> None:
    shown = present(make_card("a", RANK), 0, [make_run()])

    assert shown.task is None
    assert grade(shown, None, None) == Grade(None, Rating.AGAIN, "")
    with pytest.raises(AnswerError):
        grade(shown, (0, 1, 2), None)
