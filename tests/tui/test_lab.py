"""The Lab screen with a real child process: predict, run, see what came out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.lab.events import Measurement
from studykit.lab.recorded import record_run
from studykit.lab.results import Prediction, RunResult, SeedResult
from studykit.lab.trust import is_trusted, remember
from studykit.review.grading import present
from studykit.study.lab_run import LabRun
from studykit.study.overview import build_overview
from studykit.study.prediction import FAILS
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.dialogs import TrustScreen
from studykit.tui.screens.lab import LabScreen
from tests.commands.dice_course import edit
from tests.tui.coin_course import build_services
from tests.tui.conftest import NOW, open_home, text_of, until


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path)


@asynccontextmanager
async def opened(
    services: Services,
    card_id: str = "coin-share",
    prediction: Prediction | None = None,
    size: tuple[int, int] = (80, 24),
    *,
    is_answered: bool = False,
) -> AsyncIterator[Pilot[None]]:
    """The app with the lab of a card on the screen; without a card, with the first lab."""
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        await show(pilot, services, card_id, prediction, is_answered=is_answered)
        yield pilot


async def show(
    pilot: Pilot[None],
    services: Services,
    card_id: str = "coin-share",
    prediction: Prediction | None = None,
    *,
    is_answered: bool = False,
) -> None:
    """Open the lab of a card, as the review screen does, or that of the coins."""
    card = services.cards[card_id] if card_id else None
    header = services.lab_of(card) if card else services.course.labs["coins/toss"]
    assert header is not None
    knobs = card.knobs if card else header.defaults
    screen = LabScreen(header, knobs, card, prediction, is_answered=is_answered)
    await pilot.app.push_screen(screen)
    await pilot.pause()


def screen_of(pilot: Pilot[None]) -> LabScreen:
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    return screen


async def finished(pilot: Pilot[None]) -> str:
    """The text of the screen when the run is over."""
    await until(pilot, lambda: screen_of(pilot).phase == "outcome")
    return text_of(pilot.app)


async def choose(pilot: Pilot[None], text: str) -> None:
    """Predict `text`, wherever it stands."""
    while not any(f"▸ {letter}  {text}" in text_of(pilot.app) for letter in "ab"):
        await pilot.press("j")
    await pilot.press("enter")


def words(text: str) -> str:
    return " ".join(text.split())


async def test_from_the_prediction_to_the_verdicts(services: Services) -> None:
    """Predict, run, see the verdicts; the run is stored and becomes the card's evidence."""
    async with opened(services) as pilot:
        text = text_of(pilot.app)
        assert "▸ KNOBS" in text and "h l turn a knob" in text
        assert "A run takes 2 seeds; with the default knobs ≈" in text
        await pilot.press("enter")
        text = text_of(pilot.app)
        assert "▸ PREDICT" in text and "h l turn a knob" not in text
        await choose(pilot, "Nearly none")
        text = await finished(pilot)

        assert "✓ confirmed ✓✓  Heads show in about half of all tosses." in text
        assert "✗ refuted   ✗✗  Heads hardly ever show." in text
        assert "YOU SAID  “Nearly none”  ✗ wrong" in text
        assert "saved; the card shows it from now on" in text
        await pilot.press("r")
        assert "A run takes 2 seeds; with the default knobs < 1 s here" in text_of(pilot.app)
        assert "The share of heads tends to the coin's bias." in text
        (stored,) = services.progress.runs("coins/toss")
        assert stored.card_id == "coin-share"
        assert stored.prediction == Prediction("Nearly none", "none", correct=False)
        assert stored.result.verdicts == {"half": "confirmed", "none": "refuted"}
        assert services.evidence(services.cards["coin-share"]) == stored.result


async def test_differences_are_shown_of_a_lab_that_has_no_parts(tmp_path: Path) -> None:
    """With their interval; there is no what-if command that would ask for them again."""
    services = build_services(tmp_path)
    lab = services.course.root / "labs" / "coins" / "toss.py"
    edit(lab, "SEEDS = 2\n", 'SEEDS = 2\nDIFFERENCES = ("share",)\n')
    services.reload_decks()
    remember(services.course.root, services.paths.data_dir)
    async with opened(services, "") as pilot:
        await pilot.press("enter", "s")
        text = words(await finished(pilot))

        assert "ONE MODEL LESS ANOTHER share +" in text
        assert "95 % interval" in text and "studykit whatif" not in text


async def test_a_quick_look_is_kept_and_is_no_evidence(services: Services) -> None:
    """One seed with a quarter of the training; a lab without a budget has no such key."""
    async with opened(services) as pilot:
        assert "1 quick" in text_of(pilot.app)
        await pilot.press("enter", "1")
        text = words(await finished(pilot))

        assert "1 seed in" in text and "0.25 × the training" in text
        assert "saved as a quick look; it is no evidence for a card" in text
        assert "YOU SAID" not in text
        (stored,) = services.progress.runs("coins/toss")
        assert (stored.result.budget, len(stored.result.seeds)) == (0.25, 1)
        assert stored.prediction is None
        assert services.evidence(services.cards["coin-share"]) is None
        assert "coins/toss" in [lab.id for lab in build_overview(services).waiting]
        await show(pilot, services, "coin-absent")
        assert "1 quick" not in text_of(pilot.app)


async def test_the_key_is_answered_before_the_lab_answers(services: Services) -> None:
    """The screen changes with the key itself: no child process has said anything yet."""
    async with opened(services) as pilot:
        screen = screen_of(pilot)
        await screen.action_skip()
        while services.labs.latest is None:
            await asyncio.sleep(0)

        assert screen.phase == "run"
        assert services.labs.latest is not None
        assert services.labs.latest.n_reported == 0


async def test_options_stand_as_the_card_shows_them(services: Services) -> None:
    """Shuffled alike: the place of the right one in the deck gives nothing away."""
    async with opened(services) as pilot:
        card = services.cards["coin-share"]
        shown = [option.text for option in present(card, 0).options]
        text = text_of(pilot.app)

        assert f"a  {shown[0]}" in text
        assert f"b  {shown[1]}" in text


async def test_a_prediction_can_be_skipped(services: Services) -> None:
    """A skipped prediction is stored as none, and never counted as right or wrong."""
    async with opened(services, "") as pilot:
        assert "Heads show in about half of all tosses." in text_of(pilot.app)
        await pilot.press("s")
        text = await finished(pilot)

        assert "YOU SAID" not in text
        assert services.runs[-1].prediction is None


async def test_betting_against_a_claim_that_holds_is_wrong(services: Services) -> None:
    """The options stand below the knobs, and their letters mark them from there."""
    async with opened(services, "") as pilot:
        await pilot.press("b", "enter")
        text = await finished(pilot)

        assert f"“{FAILS}” ✗ wrong Heads show in about half" in words(text)


async def test_nothing_is_predicted_for_the_learner(services: Services) -> None:
    """No option is marked at first: Enter, pressed twice, makes no prediction and no run."""
    async with opened(services) as pilot:
        await pilot.press("enter", "enter")
        text = text_of(pilot.app)
        assert "▸ a" not in text and "▸ b" not in text
        assert "! mark what you predict with j k or its letter" in text
        assert services.labs.latest is None
        await pilot.press("b")
        assert "▸ b" in text_of(pilot.app)
        # A letter that no option has is free for other keys.
        screen = pilot.app.screen
        assert screen.check_action("bet", (1,)) and not screen.check_action("bet", (4,))


@pytest.mark.parametrize("card_id", ["coin-recall", "coin-number", "coin-choice"])
@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_the_lab_of_an_unanswered_card_gives_nothing_away(
    services: Services, card_id: str, size: tuple[int, int]
) -> None:
    """The claim behind a card is its answer: the card's own question stands there, with options."""
    async with opened(services, card_id, size=size) as pilot:
        text = words(text_of(pilot.app))
        header, card = services.course.labs["coins/toss"], services.cards[card_id]
        assert header.claims[card.claim] not in text
        assert "Heads show" not in text and "It holds" not in text
        assert card.question in text
        assert ("In about half of all tosses" in text) == (card_id == "coin-choice")


async def test_an_option_chosen_in_the_lab_is_judged_like_the_cards(services: Services) -> None:
    """The deck says which option is right, and the lab whether it is so at these knobs."""
    async with opened(services, "coin-choice") as pilot:
        await pilot.press("enter")
        await choose(pilot, "In about half of all tosses")
        assert "“In about half of all tosses” ✓ right" in words(await finished(pilot))
        await pilot.press("r", "h", "enter")
        assert "Here with bias 0.01." in text_of(pilot.app)
        await choose(pilot, "In about half of all tosses")
        assert "“In about half of all tosses” ✗ wrong" in words(await finished(pilot))
        said = [stored.prediction for stored in services.progress.runs("coins/toss")]
    assert [(one.claim, one.correct) for one in said if one] == [("half", True), ("half", False)]


@pytest.mark.parametrize("card_id", ["coin-share", "coin-recall", "coin-choice"])
async def test_an_outcome_that_was_shown_is_not_predicted(services: Services, card_id: str) -> None:
    """Once the card's answer was shown, its lab is only run; other knobs are another question."""
    async with opened(services, card_id, is_answered=True) as pilot:
        assert "The outcome at these knobs was shown" in text_of(pilot.app)
        assert "Enter run" in text_of(pilot.app)
        await pilot.press("h")
        assert "YOUR PREDICTION" in text_of(pilot.app)
        await pilot.press("l", "enter")
        await finished(pilot)
        assert services.runs[-1].prediction is None


async def test_knobs_turn_and_go_back_to_their_defaults(services: Services) -> None:
    """The run has the knobs as they stood; a card keeps its evidence if they are not its own."""
    async with opened(services) as pilot:
        await pilot.press("h", "h", "j", "right")
        assert "bias [0.01] 0.5" in words(text_of(pilot.app))
        assert "Here with bias 0.01, mood slow." in words(text_of(pilot.app))
        assert "▸ mood calm [slow] angry" in words(text_of(pilot.app))
        await pilot.press("d")
        assert "bias 0.01 [0.5]" in words(text_of(pilot.app))
        assert "▸ mood [calm] slow angry" in words(text_of(pilot.app))
        await pilot.press("k", "h", "s")
        text = await finished(pilot)

        assert "other knobs than the card's" in text
        assert services.runs[-1].knobs == {"bias": 0.01, "mood": "calm"}
        assert services.evidence(services.cards["coin-share"]) is None


async def test_a_knob_takes_a_value_of_ones_own(services: Services) -> None:
    """Of a number any that is like the lab's; it stands among them in order, and can be left."""
    async with opened(services) as pilot:
        await pilot.press("equals_sign", *"0.2")
        text = words(text_of(pilot.app))
        assert "bias = 0.2" in text and "a number above 0" in text
        await pilot.press("escape")
        assert "bias 0.01 [0.5]" in words(text_of(pilot.app))
        await pilot.press("equals_sign", *"-1", "enter")
        assert "! bias must be a number above 0" in text_of(pilot.app)
        await pilot.press("backspace", "backspace", *"2e-1", "enter")
        assert "▸ bias 0.01 [0.2] 0.5" in words(text_of(pilot.app))
        await pilot.press("l", "h", "j")
        assert "= own value" not in text_of(pilot.app)  # a name has no others like it
        await pilot.press("s")
        await finished(pilot)
        assert services.runs[-1].knobs == {"bias": 0.2, "mood": "calm"}


async def test_a_lab_teaches_before_it_runs(services: Services) -> None:
    """What each knob is, the idea, how to read the charts; what comes out, not yet."""
    async with opened(services, "", size=(80, 30)) as pilot:
        text = words(text_of(pilot.app))
        assert "probability of heads" in text
        assert "THE IDEA A coin is tossed" in text and "HOW TO READ IT The chart" in text
        assert "tends to the coin's bias" not in text
        await pilot.press("q")
        await show(pilot, services, "coin-share")
        assert "THE IDEA" not in text_of(pilot.app)  # it may be what the card asks for
        await pilot.press("q")
        await show(pilot, services, "coin-share", is_answered=True)
        assert "THE IDEA" in text_of(pilot.app)


async def test_what_was_predicted_on_the_card_stands_for_its_knobs_only(
    services: Services,
) -> None:
    """Turned to other knobs, the question is another one and is asked again."""
    made = Prediction("About a half", "half")
    async with opened(services, prediction=made) as pilot:
        assert "YOU SAID  “About a half”" in text_of(pilot.app)
        await pilot.press("h")
        assert "YOU SAID" not in text_of(pilot.app)
        assert "About a half" in text_of(pilot.app)
        await pilot.press("l", "enter")
        text = await finished(pilot)

        assert "“About a half”  ✓ right" in text
        assert "✓ knobs  ──  ✓ predict  ──  ✓ run" in text_of(pilot.app)
        await pilot.press("r", "h", "s")
        await finished(pilot)
        assert "✓ knobs  ──  – predict  ──  ✓ run" in text_of(pilot.app)


async def test_cancel_ends_the_run_at_once_and_keeps_what_was_measured(
    services: Services,
) -> None:
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        await until(pilot, lambda: "share" in text_of(pilot.app))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await pilot.press("c")
        assert services.labs.latest is not None
        assert services.labs.latest.state in ("cancelling", "finished")
        text = await finished(pilot)

        assert loop.time() - began < 30  # of the minute that it would sleep
        assert "Cancelled in seed 0 (1 of 2)" in text
        assert "saved as cancelled" in text
        assert services.runs[-1].status == "cancelled"
        assert services.evidence(services.cards["coin-share"]) is None
        # It counts nowhere as a run that was made.
        assert "coins/toss" in [lab.id for lab in build_overview(services).waiting]
        await pilot.press("q", "x")
        assert "coins/toss · ≈ 1 s on cpu · not run yet" in text_of(pilot.app)


async def test_ctrl_c_cancels_a_run_and_does_not_quit(services: Services) -> None:
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        await until(
            pilot, lambda: services.labs.latest is not None and services.labs.latest.n_begun == 1
        )
        await pilot.press("ctrl+c")

        assert "Cancelled" in await finished(pilot)
        assert pilot.app.is_running


async def test_a_lab_that_fails_says_why_and_shows_its_log(services: Services) -> None:
    """One line, the brackets of the message untouched; the traceback is one key away."""
    async with opened(services) as pilot:
        await pilot.press("j", "l", "l", "enter")
        await choose(pilot, "About a half")
        text = words(await finished(pilot))

        assert "The lab failed in seed 0 (1 of 2): RuntimeError: no more tosses [/nope]" in text
        assert "“About a half” ? not decided" in text
        assert "tends to the coin's bias" not in text
        await pilot.press("v")
        assert "raise RuntimeError" in text_of(pilot.app)
        await pilot.press("q")
        assert screen_of(pilot).phase == "outcome"


async def test_a_run_goes_on_when_the_screen_closes(services: Services) -> None:
    """Back on the card nothing is lost; the lab opened again shows the same run."""
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        await until(
            pilot, lambda: services.labs.latest is not None and services.labs.latest.n_begun == 1
        )
        run = services.labs.latest
        await pilot.press("q")
        assert not isinstance(pilot.app.screen, LabScreen)
        assert run is not None
        assert not run.is_over

        await show(pilot, services)
        assert screen_of(pilot).phase == "run"
        assert services.labs.latest is run
        await pilot.press("c")
        assert "Cancelled" in await finished(pilot)


async def test_what_ended_behind_the_screen_is_stored_and_shown(services: Services) -> None:
    async with opened(services) as pilot:
        screen = screen_of(pilot)
        await screen.action_skip()
        while services.labs.latest is None:
            await asyncio.sleep(0)
        screen.action_close()
        run = services.labs.latest
        assert run is not None
        await until(pilot, lambda: run.is_over and not isinstance(pilot.app.screen, LabScreen))
        assert len(services.runs) == 1

        await show(pilot, services)
        assert "✓ confirmed" in await finished(pilot)
        await pilot.press("q")
        await show(pilot, services)
        assert screen_of(pilot).phase == "knobs"


async def test_a_second_run_waits_in_line_and_can_leave_it(services: Services) -> None:
    """It says behind how many; out of the line, the knobs are there again."""
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        first = services.labs.latest
        await pilot.press("q")
        await show(pilot, services, "coin-absent")
        await pilot.press("enter")
        await until(pilot, lambda: "waits in line  behind 1 other run" in text_of(pilot.app))
        assert screen_of(pilot).phase == "run"
        await pilot.press("c")
        assert "nothing was run" in text_of(pilot.app)
        assert screen_of(pilot).phase == "knobs"
        assert services.labs.in_hand == (first,)


async def test_a_run_begins_by_itself_when_the_one_before_has_ended(services: Services) -> None:
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        await pilot.press("q")
        await show(pilot, services)
        await until(pilot, lambda: "share" in text_of(pilot.app))
        quick = LabRun(screen_of(pilot)._header, {}, None, None)
        services.labs.add(quick)
        await pilot.press("c")
        assert "Cancelled" in await finished(pilot)
        await until(pilot, lambda: quick.is_over)
        assert quick.stored is not None and quick.stored.status == "done"


async def test_a_lab_that_cannot_run_here_shows_the_recorded_result(services: Services) -> None:
    """Skipped with the reason, and labelled as somebody else's measurement."""
    header = services.course.labs["coins/absent"]
    measured = {"share": Measurement("share", 0.51)}
    claims = {"half": True, "none": False}
    record_run(
        services.course.root,
        RunResult(
            lab="coins/absent",
            knobs=header.defaults,
            device="cuda",
            machine="NVIDIA H200",
            versions={"torch": "2.13.0"},
            code_hash=header.code_hash,
            started_at=NOW,
            seconds=1.0,
            status="done",
            seeds=tuple(SeedResult(seed, measured, claims) for seed in range(2)),
            recorded=True,
            verdicts={"half": "confirmed", "none": "refuted"},
        ),
    )
    async with opened(services, "coin-absent") as pilot:
        await pilot.press("enter")
        text = words(await finished(pilot))

        assert "Not run: " in text
        assert "no_such_module" in text
        assert "recorded on NVIDIA H200, 23 Nov 2026 · cuda" in text
        assert "✓ confirmed ✓✓ Heads show in about half of all tosses." in text
        assert services.runs == []


async def test_again_asks_for_a_new_prediction_at_other_knobs(services: Services) -> None:
    """The last outcome is known, so neither the last prediction nor a new one says anything."""
    async with opened(services, prediction=Prediction("About a half", "half")) as pilot:
        await pilot.press("enter")
        await finished(pilot)
        await pilot.press("r")

        assert "▸ KNOBS" in text_of(pilot.app)
        assert "About a half" not in text_of(pilot.app)
        await pilot.press("h")
        assert "About a half" in text_of(pilot.app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_charts_turn_and_change_their_scale(
    services: Services, size: tuple[int, int]
) -> None:
    """Narrow, the outcome takes its turn with the charts; wide, all are seen at once."""
    async with opened(services, size=size) as pilot:
        await pilot.press("s")
        text = await finished(pilot)
        assert ("chart 2/2" in text) == (size == (120, 40))
        assert "confirmed" in text
        await pilot.press("tab")
        text = text_of(pilot.app)
        assert "share of heads  by toss" in text
        assert "chart 1/2" in text
        assert ("confirmed" in text) == (size == (120, 40))
        await pilot.press("g")
        assert "share of heads  by toss, log" in text_of(pilot.app)
        await pilot.press("shift+tab")
        assert "share of heads  by toss, log" not in text_of(pilot.app)


async def test_a_chart_that_is_whole_fills_its_width(services: Services) -> None:
    """The room that a live chart keeps at its right is given back, though no point has come."""
    lab = services.course.labs["coins/toss"].path
    edit(lab, "400 * budget", "1200 * budget")
    edit(lab, '    yield Measurement("chance", bias, yardstick=True)\n', "    time.sleep(1)\n")
    remember(services.course.root, services.paths.data_dir)
    async with opened(services, size=(120, 40)) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "500" in text_of(pilot.app))  # three points, to 300
        await finished(pilot)

        await until(pilot, lambda: "500" not in text_of(pilot.app))
        assert "300" in text_of(pilot.app)


async def test_a_run_survives_any_size_of_the_window(services: Services) -> None:
    """Shrunk below what can be shown and grown again, in the middle of a run."""
    async with opened(services) as pilot:
        await pilot.press("j", "l", "s")
        await until(pilot, lambda: "●" in text_of(pilot.app))
        for width, height in ((40, 10), (20, 4), (120, 40)):
            await pilot.resize_terminal(width, height)
            await pilot.pause(0.3)
        assert "chart 2/2" in text_of(pilot.app)
        await pilot.press("c")
        assert "Cancelled" in await finished(pilot)


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
async def test_hints_fit_a_narrow_terminal(services: Services, size: tuple[int, int]) -> None:
    """Only keys that do something now are hinted; the way back and help are always among them."""
    async with opened(services, size=size) as pilot:
        seen = {}
        for keys in ((), ("enter",), ("a",), ("s",)):
            await pilot.press(*keys)
            if keys == ("s",):
                await finished(pilot)
            hints = text_of(pilot.app).splitlines()[-1].strip()
            seen[screen_of(pilot).phase] = hints
            assert len(hints) <= size[0] - 1
            assert "q back" in hints and hints.endswith("? help")
        assert "predict" in seen["knobs"]
        assert "Enter run" in seen["predict"]
        assert "cancel" not in seen["outcome"]
        assert "view log" not in seen["outcome"]


@pytest.mark.parametrize("answer", ["y", "o"])
async def test_a_foreign_course_asks_before_its_code_runs(tmp_path: Path, answer: str) -> None:
    """Nothing runs without a yes; a yes is remembered, and one's own labs may change."""
    services = build_services(tmp_path, trusted=False)
    root, data_dir = services.course.root, services.paths.data_dir
    async with opened(services) as pilot:
        await pilot.press("s")
        assert isinstance(pilot.app.screen, TrustScreen)
        await pilot.press("n")
        assert screen_of(pilot).phase == "knobs"
        assert services.labs.latest is None
        assert not is_trusted(root, data_dir)

        await pilot.press("s", answer)
        assert "confirmed" in await finished(pilot)
        assert is_trusted(root, data_dir)

    course_lab = next(iter(services.course.labs.values())).path
    course_lab.write_text(course_lab.read_text() + "# changed\n")
    assert is_trusted(root, data_dir) == (answer == "o")
