"""The benchmarks still run, at a size that tells nothing; what they measure is not judged here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from torch import Generator

from benchmarks import (
    chart,
    decoding,
    exports,
    fitting,
    labs,
    long_context,
    models,
    months,
    optimizers,
    parsing,
    rating,
    replaying,
    runs,
    start,
    statistics,
    study_queue,
)
from benchmarks.anki_import import make_package
from benchmarks.figures import Figure, report
from benchmarks.make_data import Data, make_data
from benchmarks.simulated_log import LEARNERS, simulate
from labs.kit.reading import losses
from labs.transformer import Transformer, TransformerConfig
from studykit.exchange.anki_reader import read_anki
from studykit.exchange.circumstances import Circumstances
from tests.commands.dice_course import LAB, write_course


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A course of 60 cards and a log of 400 answers."""
    return make_data(tmp_path_factory.mktemp("benchmarks"), 60, 400)


def test_the_data_are_the_same_each_time(data: Data, tmp_path: Path) -> None:
    """Otherwise two runs could not be compared."""
    again = make_data(tmp_path, 60, 0)
    for path in (data.root / "decks").iterdir():
        assert path.read_bytes() == (again.root / "decks" / path.name).read_bytes()


def test_every_benchmark_measures_something(data: Data) -> None:
    """Against its baseline, where it has one."""
    figures = [
        *start.measure(data, 1),
        *rating.measure(data, 1),
        *study_queue.measure(data, 500, 1),
        *statistics.measure(data, 400, 500, 1),
        *parsing.measure(data, 1),
        *chart.measure(data, 0.3),
        *runs.measure(data, 3, 1),
    ]
    assert all(figure.value > 0 and figure.ratio for figure in figures)


def test_a_replay_gives_what_the_package_gives() -> None:
    """Else there would be nothing to compare."""
    (figure,) = replaying.measure(2_000, 1)
    assert figure.value > 0 and figure.ratio


def test_every_export_is_measured(data: Data, tmp_path: Path) -> None:
    """What the JSON costs, and its way back."""
    figures = [*exports.measure(data, tmp_path, {"json": "all.json"})]
    assert [figure.name.partition(":")[0] for figure in figures[::2]] == ["json", "json taken back"]
    assert all(figure.value > 0 and figure.ratio for figure in figures)


def test_fitting_is_measured_beside_the_package() -> None:
    """At a size from which weights are fitted at all."""
    pytest.importorskip("fsrs_rs_python")
    figures = [*fitting.measure((600,), 1)]
    assert all(figure.value > 0 for figure in figures)
    assert [figure.ratio is not None for figure in figures] == [True, True, False, False]


def test_optimizers_are_compared_on_the_same_log() -> None:
    """What one finds is held against the reviews that neither saw, and against the truth."""
    pytest.importorskip("fsrs_rs_python")
    learner, n = "forgets sooner", 3000
    found = optimizers.one_fit("fsrs-rs-python", learner, n, 0)
    answers = simulate(LEARNERS[learner], n, 0)
    first = optimizers.first_held(answers)
    excess = {
        name: optimizers.held_out_loss(weights, answers, first)[1]
        for name, weights in (
            ("found", found["weights"]),
            ("defaults", LEARNERS["as the defaults"]),
            ("true", LEARNERS[learner]),
        )
    }
    assert 0 <= excess["true"] < 1e-6 < excess["found"] < excess["defaults"]


def test_months_are_measured_beside_another_build(data: Data, tmp_path: Path) -> None:
    """Which is this one here, with the same log in a home of its own."""
    other = Data(data.root, tmp_path)
    months.probe(months.HERE, other, "take-over", str(data.paths.database))
    figures = [*months.measure(data, other, months.HERE, 1)]
    assert [figure.name.partition(":")[0] for figure in figures[::2]] == [
        each.name for each in months.MEASURED
    ]
    assert all(figure.value > 0 and figure.ratio for figure in figures)


def test_a_lab_is_measured_beside_another_build(tmp_path: Path) -> None:
    """Which is this one here; the lab needs no torch."""
    course = write_course(tmp_path)
    options = ["--preload"]
    figures = [*labs.measure(LAB, labs.HERE, 1, courses=(course, course), options=options)]
    assert [figure.name.partition(": ")[2] for figure in figures] == [
        "a default run, processor time",
        "a default run, wall time",
        "warm child, first verdict",
        "quick look",
    ]
    assert all(figure.value > 0 and figure.ratio for figure in figures)


@torch.no_grad()
@torch.no_grad()
def test_a_long_text_is_read_whole_and_in_its_last_part() -> None:
    config = TransformerConfig(vocab_size=7, seq_len=8, positions="rope", norm_kind="rmsnorm")
    model = Transformer(config, Generator().manual_seed(0))
    wide = long_context.widened(model, 24)
    tokens = torch.randint(7, (1, 24), generator=Generator().manual_seed(1))

    found = long_context.by_window(wide, tokens, 6)

    whole = losses(wide(tokens), tokens)[0]  # of tokens 1 to 23
    assert [after_all for after_all, _ in found] == pytest.approx(
        [float(whole[n - 1 : n + 5].mean()) for n in (6, 12, 18)], abs=1e-5
    )
    last = torch.cat((tokens[:, :1], tokens[:, 13:]), dim=1)
    few = float(losses(wide(last), last)[0, -6:].mean())
    assert found[-1][1] == pytest.approx(few, abs=1e-5)
    assert found[0][0] == pytest.approx(found[0][1], abs=1e-5)  # nothing before it is left out
    assert found[-1][0] != pytest.approx(few, abs=1e-3)
    (figure, *_) = long_context.figures([found, found], 6)
    assert (figure.value, figure.baseline) == pytest.approx(found[0])


def test_decoding_is_measured_in_three_ways_that_agree() -> None:
    """A way that gave other logits would raise."""
    config = TransformerConfig(
        vocab_size=11, seq_len=24, d_model=16, n_heads=4, n_kv_heads=2, d_ff=16, positions="rope"
    )
    figures = list(decoding.measure(Transformer(config, Generator().manual_seed(0)), 20, 2))
    assert [figure.name for figure in figures] == [
        *["SmolLM2, a token at a context of 20"] * 2,
        *["attention alone, one layer"] * 2,
    ]
    assert all(figure.value > 0 and figure.baseline for figure in figures)


def test_a_figure_is_met_if_all_that_is_wanted_holds() -> None:
    assert Figure("free", 5.0, "ms").is_met is None
    assert Figure("below", 5.0, "ms", below=5.0).is_met is True
    assert Figure("above", 5.1, "ms", below=5.0).is_met is False
    assert Figure("ratio", 5.0, "ms", "x", 2.0, below=9.0, ratio_below=2.4).is_met is False


def test_figures_are_shown_and_kept_and_a_missed_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    met, missed = Figure("met", 1.0, "ms", below=5.0), Figure("missed", 6.0, "ms", below=5.0)

    assert report([met], kept, packages=("numpy",), cards=3) == 0
    assert report([met, missed]) == 1
    assert "| missed | 6 ms |  | < 5 ms | ✗ |" in capsys.readouterr().out
    document = json.loads(kept.read_text(encoding="utf-8"))
    assert [figure["name"] for figure in document["figures"]] == ["met"]
    assert document["cards"] == 3
    assert {"numpy", "torch"} <= document["versions"].keys()


@pytest.mark.weights("smollm2")
def test_a_trained_model_is_measured_in_a_process_of_its_own() -> None:
    """Loading alone: the rest takes transformers half a minute."""
    whole, packed = models.probe("load", "ours"), models.probe("load", "packed")
    assert whole["memory_mb"] > packed["memory_mb"] > 0
    assert min(whole["processor_s"], packed["processor_s"]) > 0


def test_a_package_to_import_is_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "made.apkg"

    make_package(path, n_cards=30, n_reviews=300)

    found = read_anki(path, Circumstances(datetime(2026, 12, 1, 9, tzinfo=UTC), 4))
    cards = [*found.cards()]
    assert (len(cards), len({card.question for card in cards})) == (30, 30)
    assert sum(len(card.reviews) for card in cards) == 300
    assert found.remarks == ()
