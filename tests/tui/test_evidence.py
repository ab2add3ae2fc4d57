"""The MEASURED block of a card: whose run, what it says, and what it does not hide."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from textual.content import Content

from studykit.course.cards import Card, LabHeader, Option, Predict, Recall
from studykit.errors import Place
from studykit.lab.events import Measurement, Table
from studykit.lab.results import RunResult, SeedResult, Verdict
from studykit.study.numbers import ladder, summarise
from studykit.tui.widgets.card_text import wrap
from studykit.tui.widgets.evidence import deciding_rows, render_claims, render_evidence
from studykit.tui.widgets.measurements import render_measurements, render_table

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def header() -> LabHeader:
    return LabHeader(
        id="core/residuals",
        path=Path("residuals.py"),
        title="Residuals",
        about="",
        question="What if I remove them?",
        points=("1.4.2",),
        claims={
            "stuck": "Without residuals it learns letter frequencies only.",
            "slower": "Without residuals it only learns slower.",
            "vanishes": "The first layer's gradient vanishes.",
            "always": "[b]Always[/nope].",
        },
        holds_if={
            "stuck": "abs(loss_without - unigram) < 0.05",
            "slower": "loss_without < unigram - 0.1",
            "vanishes": "ratio < 1e-3",
            "always": "1 < 2",
        },
        knobs={"n_layers": (8, 2), "init": ("xavier", "small")},
        seeds=3,
        seconds={"cpu": 25.0, "cuda": 4.0},
        literature={"stuck": "Tokens collapse with depth (Dong et al. 2021)."},
        code_hash="new",
    )


def card(*, claim: str = "", options: tuple[str, ...] = ()) -> Card:
    body = Predict(tuple(Option(name, claim=name) for name in options)) if options else Recall("x")
    return Card(
        id="c",
        kind="predict" if options else "recall",
        deck_id="core",
        topic_id="t",
        points=("1.4.2",),
        question="?",
        body=body,
        explain="",
        lab="core/residuals",
        claim=claim,
        knobs={},
        note="",
        source="",
        place=Place(Path("deck.yaml")),
        content_hash="",
    )


def seed_result(seed: int, without: float, ratio: float = 0.5) -> SeedResult:
    measurements = (
        Measurement("loss_with", 1.72, "nats", "with residuals"),
        Measurement("loss_without", without, "nats", "without residuals"),
        Measurement("ratio", ratio, "", "gradient, first / last"),
        Measurement("unigram", 2.951, "nats", "letter frequencies", yardstick=True),
        Measurement("ln_v", 4.205, "nats", "uniform guess", yardstick=True),
    )
    return SeedResult(
        seed,
        {one.name: one for one in measurements},
        {"stuck": True, "slower": False, "vanishes": None, "always": True},
    )


def run_of(*without: float, **verdicts: Verdict) -> RunResult:
    judged: dict[str, Verdict] = {"stuck": "confirmed", "slower": "refuted", **verdicts}
    return RunResult(
        lab="core/residuals",
        knobs={"n_layers": 8, "init": "xavier"},
        device="cpu",
        machine="AMD EPYC, 2 cores",
        versions={"torch": "2.13.0"},
        code_hash="new",
        started_at=datetime(2026, 11, 23, 21, 10, tzinfo=UTC),
        seconds=24.0,
        status="done",
        seeds=tuple(seed_result(n, value) for n, value in enumerate(without)),
        verdicts=judged,
    )


def text(card: Card | None, header: LabHeader, result: RunResult | None, width: int = 100) -> str:
    return render_evidence(card, header, result, NOW, width=width).plain


def test_an_own_run_tells_when_where_and_with_which_knobs(header: LabHeader) -> None:
    """The date is in the learner's time zone, whatever zone it was stored in."""
    shown = " ".join(text(card(claim="stuck"), header, run_of(2.94, 2.95, 2.96)).split())

    assert shown.startswith(
        "MEASURED core/residuals · your run of 23 Nov 22:10 · cpu · "
        "n_layers 8, init xavier · 3 seeds"
    )
    assert "older version" not in shown


def test_a_recorded_run_names_the_machine_and_never_says_yours(header: LabHeader) -> None:
    shown = text(card(claim="stuck"), header, replace(run_of(2.94), recorded=True))

    assert "recorded on AMD EPYC, 2 cores, 23 Nov 2026" in shown
    assert "1 seed" in shown
    assert "your" not in shown


def test_a_claim_that_depends_on_patience_says_so(header: LabHeader) -> None:
    """Below the claim, and beside no other."""
    evidence = replace(run_of(2.94), patience={"stuck": "depends on patience: a note"})
    lines = text(card(claim="stuck"), header, evidence).splitlines()

    (note,) = (line for line in lines if "depends on patience" in line)
    assert lines[lines.index(note) - 1].startswith("✓ confirmed")
    assert note == "    depends on patience: a note"
    assert "patience" not in text(card(claim="slower"), header, evidence)


def test_evidence_that_is_only_related_says_so(header: LabHeader) -> None:
    """It shows what the card is about and claims no more."""
    related = replace(card(claim="stuck"), is_only_related=True)
    shown = text(related, header, run_of(2.95, 2.95))

    assert shown.startswith("RELATED  ")
    assert "it does not measure the answer itself." in shown
    assert "MEASURED" not in shown
    assert "itself" not in text(card(claim="stuck"), header, run_of(2.95, 2.95))


def test_a_run_that_differs_from_the_recorded_one_says_so(header: LabHeader) -> None:
    """Below the claim of which they differ."""
    run = replace(run_of(2.95), recorded_verdicts={"slower": "depends"})

    assert "The recorded run says: depends" in text(card(claim="slower"), header, run)
    assert "recorded run" not in text(card(claim="stuck"), header, run)


def test_what_was_not_measured_says_how_to(header: LabHeader) -> None:
    assert text(card(claim="stuck"), header, None) == (
        "MEASURED  not measured yet: x runs it (≈ 25 s)"
    )
    silent = replace(header, seconds={})
    assert text(card(claim="stuck"), silent, None) == "MEASURED  not measured yet: x runs it"


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        ("confirmed", "✓ confirmed"),
        ("refuted", "✗ refuted"),
        ("depends", "◐ depends"),
        ("undecided", "? undecided"),
        ("skipped", "– skipped"),
    ],
)
def test_a_verdict_is_a_mark_and_a_word(header: LabHeader, verdict: Verdict, shown: str) -> None:
    """Colour is never the only sign, and a refuted claim stands as plainly as a confirmed one."""
    lines = text(card(claim="stuck"), header, run_of(2.94, 2.95, stuck=verdict)).splitlines()
    line = next(line for line in lines if line.startswith(shown))

    assert line.endswith("✓✓  Without residuals it learns letter frequencies only.")


def test_each_option_of_a_prediction_has_its_verdict(header: LabHeader) -> None:
    shown = text(card(options=("stuck", "slower")), header, run_of(2.94, 2.95))

    assert "✓ confirmed ✓✓  Without residuals it learns letter" in shown
    assert "✗ refuted   ✗✗  Without residuals it only learns slower." in shown
    assert "gradient vanishes" not in shown


def test_the_option_that_holds_comes_first(header: LabHeader) -> None:
    """A learner who was right does not read "refuted" first, wherever the option stood."""
    run = run_of(2.94, 2.95, stuck="refuted", slower="confirmed")
    shown = text(card(options=("stuck", "slower")), header, run)

    assert shown.index("it only learns slower") < shown.index("learns letter frequencies only")
    every = text(None, header, run)
    assert every.index("learns letter frequencies only") < every.index("it only learns slower")


def test_the_numbers_are_those_that_decide_the_claim(header: LabHeader) -> None:
    """Median and range over the seeds, with the level that the claim compares with beside it."""
    shown = text(card(claim="stuck"), header, run_of(2.94, 2.96, 2.95))

    assert [line.split() for line in shown.splitlines()[-2:]] == [
        ["without", "residuals", "2.950", "nats", "2.940–2.960"],
        ["┄", "letter", "frequencies", "2.951", "nats"],
    ]
    assert "with residuals  " not in shown.replace("without residuals", "")
    vanishes = text(card(claim="vanishes"), header, run_of(2.94, 2.96))
    assert "gradient, first / last  0.500" in vanishes
    assert "nats" not in vanishes


def test_a_number_that_was_asked_for_is_shown(header: LabHeader) -> None:
    asked = replace(card(claim="stuck"), body=Predict(measurement="loss_with", unit="nats"))
    shown = text(asked, header, run_of(2.94))

    assert "    with residuals      1.720 nats" in shown


def test_a_card_shows_what_its_claim_compares_and_nothing_else(header: LabHeader) -> None:
    """Levels that no test names are of no help; of a prediction the numbers of all options."""
    numbers = text(card(claim="slower"), header, run_of(2.94)).split("\n\n")[1]
    assert [line.split("  ")[-2].strip() for line in numbers.splitlines()] == [
        "without residuals",
        "┄ letter frequencies",
    ]

    assert "gradient" in text(card(options=("stuck", "vanishes")), header, run_of(2.94))
    assert "\n\n" not in text(card(claim="always"), header, run_of(2.94))


def test_a_claim_is_told_with_its_test_and_what_each_seed_measured(header: LabHeader) -> None:
    run = run_of(2.94, 2.96)
    lines = render_evidence(card(claim="stuck"), header, run, NOW, width=78, with_tests=True)
    shown = [line.strip() for line in lines.plain.splitlines()]

    assert shown[3:] == [
        "Test: |loss_without − unigram| < 0.05",
        "Literature: Tokens collapse with depth (Dong et al. 2021).",
        "",
        "loss_without  2.940 2.960 nats  without residuals",
        "┄ unigram       2.951 nats        letter frequencies",
    ]


def test_numbers_that_several_options_compare_stand_once(header: LabHeader) -> None:
    """Below each option stands its own test alone."""
    options = card(options=("stuck", "slower"))
    run = run_of(2.94, 2.96)
    shown = render_evidence(options, header, run, NOW, width=74, with_tests=True).plain

    assert shown.count("Test: ") == 2
    assert shown.count("2.940 2.960") == 1 and shown.count("unigram  ") == 1


def test_a_number_of_the_test_that_an_older_run_lacks_is_missed(header: LabHeader) -> None:
    asks = replace(header, holds_if={**header.holds_if, "stuck": "loss_gone < 1"})
    shown = render_evidence(card(claim="stuck"), asks, run_of(2.94), NOW, with_tests=True).plain

    assert "loss_gone  not measured" in shown


def test_a_deterministic_lab_has_no_seeds_to_agree(header: LabHeader) -> None:
    shown = text(card(claim="stuck"), replace(header, deterministic=True), run_of(2.94))

    assert "init xavier · deterministic" in " ".join(shown.split())
    assert "✓ confirmed  Without residuals" in shown
    assert "seed" not in shown


def test_claims_of_a_deterministic_lab_begin_below_one_another(header: LabHeader) -> None:
    """A short verdict takes as much room as a long one."""
    known = replace(header, deterministic=True)
    shown = render_evidence(None, known, run_of(2.94, slower="refuted"), NOW, with_tests=True)
    lines = shown.plain.splitlines()
    starts = {line.index("Without") for line in lines if "Without" in line}
    assert len(starts) == 1


def test_published_figures_stand_beside_the_verdict(header: LabHeader) -> None:
    shown = text(card(claim="stuck"), header, run_of(2.94))

    assert "Literature: Tokens collapse with depth (Dong et al. 2021)." in shown
    assert "Literature" not in text(card(claim="slower"), header, run_of(2.94))


def test_divergence_is_a_result(header: LabHeader) -> None:
    """NaN is shown as what it means; a seed that diverged is counted beside the others."""
    all_lost = text(card(claim="stuck"), header, run_of(math.nan, math.nan))
    assert "diverged" in all_lost
    assert "nan" not in all_lost.replace("nats", "")

    one_lost = text(card(claim="stuck"), header, run_of(2.9, math.nan, 3.2))
    assert "3.050 nats  2.900–3.200, 1 of 3 diverged" in one_lost


def test_a_run_of_older_code_says_so(header: LabHeader) -> None:
    shown = text(card(claim="stuck"), header, replace(run_of(2.94), code_hash="old"))

    assert shown.endswith("measured with an older version of the lab")


def test_brackets_and_controls_of_a_lab_are_only_text(header: LabHeader) -> None:
    shown = text(None, header, replace(run_of(2.94), recorded=True, machine="\x1b]52;c;x[/]"))

    assert "[b]Always[/nope]." in shown
    assert "␛]52;c;x[/]" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("width", [30, 56, 76, 116])
def test_no_line_is_wider_than_the_card(header: LabHeader, width: int) -> None:
    content = render_evidence(None, header, run_of(2.94, 2.96), NOW, width=width)

    assert max(line.cell_length for line in content.split("\n")) <= width


def test_a_number_stands_between_the_levels_it_lies_between() -> None:
    """Where a unit has yardsticks its rows are sorted; what diverged is above all of them."""
    names = [row.name for row in ladder(summarise([seed_result(0, 2.94)]))]
    assert names == ["loss_with", "loss_without", "unigram", "ln_v", "ratio"]

    lost = [row.name for row in ladder(summarise([seed_result(0, math.nan)]))]
    assert lost == ["loss_with", "unigram", "ln_v", "loss_without", "ratio"]


def test_labels_that_are_not_unique_are_told_apart_by_name() -> None:
    seed = SeedResult(
        0,
        {name: Measurement(name, 1.0, "", "first / last") for name in ("ratio_base", "ratio_bare")},
        {},
    )

    labels = [row.label for row in summarise([seed])]
    assert labels == ["ratio base: first / last", "ratio bare: first / last"]


def test_a_table_of_measurements_gives_up_the_range_before_the_label() -> None:
    rows = summarise([seed_result(0, 2.94), seed_result(1, 2.96)])

    assert "2.940–2.960" in render_measurements(rows, 60).plain
    narrow = render_measurements(rows, 40)
    assert "2.940–2.960" not in narrow.plain
    assert "without residuals" in narrow.plain
    assert max(line.cell_length for line in narrow.split("\n")) <= 40


def test_each_claim_has_its_numbers_its_levels_and_the_literature(header: LabHeader) -> None:
    """All numbers of the blocks are aligned; what decides nothing is left to the table below."""
    claims = ("stuck", "vanishes", "always")
    shown = render_claims(header, card(claim="stuck"), claims, run_of(2.94, 2.96), 78).plain

    assert [line.rstrip() for line in shown.splitlines()] == [
        "✓ confirmed ✓✓  Without residuals it learns letter frequencies only.",
        "      without residuals       2.950 nats  2.940–2.960",
        "    ┄ letter frequencies      2.951 nats",
        "      Literature: Tokens collapse with depth (Dong et al. 2021).",
        "? undecided ??  The first layer's gradient vanishes.",
        "      gradient, first / last  0.500",
        "? undecided ✓✓  [b]Always[/nope].",
    ]


def test_beside_the_cards_own_claim_stands_the_number_that_it_asks_for(header: LabHeader) -> None:
    asked = replace(card(claim="slower"), body=Predict(measurement="loss_with", unit="nats"))
    rows = summarise(run_of(2.94).seeds)

    names = [row.name for row in deciding_rows(header, asked, "slower", rows)]
    assert names == ["loss_with", "loss_without", "unigram"]
    assert deciding_rows(header, None, "always", rows) == ()


def test_a_long_label_goes_on_below_its_number() -> None:
    """What tells two measurements apart often stands at the end of their labels."""
    label = "keys moved: answers with the value under the key"
    seeds = [SeedResult(0, {"moved": Measurement("moved", 0.9, "", label)}, {})]

    lines = render_measurements(summarise(seeds), 40).plain.splitlines()
    assert lines[0].split()[-1] == "0.900"
    assert " ".join(" ".join(lines).replace("0.900", "").split()) == label


def test_tables_are_aligned_text() -> None:
    """A row that is too short does no harm."""
    table = Table("by layer", ("layer", "with"), (("0", 1.0), ("embedding", math.nan), ("8",)))
    assert render_table(table, 60).plain.splitlines() == [
        "by layer",
        "layer          with",
        "0                 1",
        "embedding  diverged",
        "8",
    ]


def test_a_column_of_sentences_begins_at_the_left() -> None:
    """Texts that a model wrote are read, not compared digit by digit."""
    table = Table(
        "Continuations",
        ("decoding", "text", "words"),
        (("greedy", "the sum of its two arguments", 6), ("top-p", "no", 1)),
    )

    assert render_table(table, 45).plain.splitlines() == [
        "Continuations",
        "decoding  text                    words",
        "greedy    the sum of its two          6",
        "          arguments",
        "top-p     no                          1",
    ]


WIDE = Table(
    "What the compiler made of each tile",
    ("tile", "registers", "spilled, bytes", "products by 4 warps", "requested, times"),
    tuple((f"{n} × 64, 4 warps, 2 stages", 100.0 + n, 0.0, "24", 1.5) for n in (32, 128)),
)


@pytest.mark.parametrize("width", [24, 40, 56, 76, 116])
def test_no_table_is_wider_than_its_screen(width: int) -> None:
    """Headings take more lines, then columns stand below, each beside the first once more."""
    shown = render_table(WIDE, width)
    text = " ".join(shown.plain.split())

    assert max(line.cell_length for line in shown.split("\n")) <= width
    assert text.count("132") == text.count("228") == 1
    for heading in ("registers", "spilled,", "products", "requested,"):
        assert text.count(heading) == 1


def test_a_table_that_fits_has_its_headings_in_one_line() -> None:
    assert render_table(WIDE, 116).plain.splitlines()[1].split("  ")[-1] == "requested, times"
    narrow = render_table(WIDE, 70).plain.splitlines()
    assert narrow[3].startswith("tile") and narrow[2].split()[-1] == "requested,"


@pytest.mark.parametrize("width", range(9, 40))
def test_no_line_ends_between_a_number_and_what_belongs_to_it(width: int) -> None:
    text = "at least 95 % of answers · are ≥ 0.95 in 26 s · of 3 seeds, − 0.1 at most ← yours"
    rows = [row.plain for row in wrap(Content(text), width)]

    assert " ".join(" ".join(rows).split()) == text
    for bound in ("95 %", "≥ 0.95", "26 s", "3 seeds", "− 0.1", "← yours"):
        assert any(bound in row for row in rows)
    assert not any(row.startswith("·") for row in rows)


def test_spans_survive_bound_blanks() -> None:
    (row,) = wrap(Content.assemble("is ", ("95 %", "bold"), " here"), 40)
    assert row.is_same(Content.assemble("is ", ("95 %", "bold"), " here"))
