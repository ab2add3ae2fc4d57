"""What a lab prints: told while it runs, by seed, kept with the run, and within bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studykit.lab.events import MAX_PRINTED, MAX_PRINTED_PIECE, Printed
from studykit.lab.process import LabRunner, SeedEvent
from studykit.lab.recorded import load_recorded, record_run
from studykit.lab.results import RunResult, result_from_json, result_to_json
from tests.lab.fake_labs import FakeCourse, run_to_end


def prints(result: RunResult) -> list[str]:
    """What each seed has printed."""
    return ["".join(event.text for event in seed.all(Printed)) for seed in result.seeds]


async def test_each_seed_keeps_what_it_prints(runner: LabRunner, course: FakeCourse) -> None:
    """Also before the first seed, without a line end, and on its way to a crash."""
    header = course.write(
        """
        print("imported")

        def run(*, size, norm, seed, device):
            print("seed", seed)
            print("\\x1b[31mred", end="")
            yield Measurement("loss", 1.5)
            if seed == 1:
                raise RuntimeError("no more")
        """
    )

    _, result = await run_to_end(runner, header, seeds=[0, 1])

    assert prints(result) == ["imported\nseed 0\n␛[31mred", "seed 1\n␛[31mred"]
    assert "no more" in result.message
    assert result_from_json(result_to_json(result)) == result


async def test_a_print_is_told_before_the_seed_ends(runner: LabRunner, course: FakeCourse) -> None:
    header = course.write_run("print('now'); time.sleep(60); yield Measurement('loss', 1.5)")
    async for message in runner.run(header, knobs={}, seeds=[0]):
        if isinstance(message, SeedEvent) and isinstance(message.event, Printed):
            assert message.event.text == "now\n"
            runner.cancel()
        last = message
    assert last.result.status == "cancelled"  # type: ignore[union-attr]
    assert prints(last.result) == ["now\n"]  # type: ignore[union-attr]


@pytest.mark.parametrize("line", ["'x' * 1000", "'é' * 1000, end=''"])
async def test_a_lab_that_prints_without_end_is_cut_short_and_goes_on(
    runner: LabRunner, course: FakeCourse, line: str
) -> None:
    """Of every seed as much; the run is neither broken off nor does it grow."""
    header = course.write_run(
        f"for _ in range(5000): print({line})\nyield Measurement('loss', 1.5)"
    )

    _, result = await run_to_end(runner, header, seeds=[0, 1])

    assert (result.status, result.message) == ("done", "")
    assert result_from_json(result_to_json(result)) == result
    for text in prints(result):
        assert len(text) == MAX_PRINTED
        assert text.endswith("\n… more was printed than is kept\n")


def test_a_long_text_is_sent_in_pieces() -> None:
    whole = Printed("ab" * MAX_PRINTED_PIECE)
    pieces = list(whole.pieces())
    assert [len(piece.text) for piece in pieces] == [MAX_PRINTED_PIECE] * 2
    assert Printed.joined(pieces) == whole
    assert Printed.joined([whole, whole]) == whole


async def test_prints_are_not_recorded(
    runner: LabRunner, course: FakeCourse, tmp_path: Path
) -> None:
    """They are for who looks on, and differ from run to run."""
    header = course.write_run("print('seen'); yield Measurement('loss', 1.5)")
    _, result = await run_to_end(runner, header)
    record_run(tmp_path, replace(result, seeds=result.seeds))
    (recorded,) = load_recorded(tmp_path, header.id)
    assert prints(result) == ["seen\n"]
    assert prints(recorded) == [""]
