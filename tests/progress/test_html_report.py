"""The page: complete, closed to the world, and painted by a real browser."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import pytest

from studykit.progress.charts import forecast_chart, retention_chart
from studykit.progress.html_report import N_RUNS, render_html
from studykit.progress.report_data import build_trends, period_stats
from studykit.progress.stats import NO_REPORT_SUMS, Retention, wilson_interval
from tests.progress.builders import make_card, make_course, sums_of
from tests.progress.history import MEMORIES, REVIEWS, RUNS, SCHEDULER, TODAY, whole_summary

CHARTS = ("Calendar of", "True retention by week", "Cards due", "Right answers by confidence")
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">&lt;\x1b[31m\u202e\'"'
VOID = {"meta"}


def page_of_history() -> str:
    """The page of all that `history` tells."""
    return render_html(whole_summary(), build_trends(sums_of(REVIEWS), whole_summary(), 0.9))


class Reader(HTMLParser):
    """What a browser makes of a page: elements, attributes, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "everything that opens is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def test_the_page_tells_what_the_summary_tells() -> None:
    """Charts with words for who cannot see them, topics, labs, predictions and verdicts."""
    reader = Reader(page_of_history())
    labels = [value or "" for name, value in reader.attributes if name == "aria-label"]

    for chart in CHARTS:
        assert any(label.startswith(chart) for label in labels), chart
    for text in (
        "Study report: Toy models",
        "2026-11-20 to 2026-11-23, 4 days",
        "1 of 2 reviews of known cards were remembered: too few to judge.",
        "In 8 answers you were 70\u00a0% sure on average, and right in 75\u00a0%.",
        "1.1 Why norms | matter",
        "3 cards: 2 known, 0 learning, 1 not seen yet · 8 reviews, 2 again",
        "1 run and 2 broken off, 2 predictions, 1 of 1 judged right.",
        "Predicted “It gets stuck”, 70\u00a0% sure: ✓ right",
        "✗ refutedGradients go.",
        "a lab that this course does not have",
        "for <b>every</b> d_model, say␛[31m 512?",
    ):
        assert text in reader.text


def test_the_page_needs_nothing_from_outside() -> None:
    """No script, no link, no address; and the browser is told to load nothing."""
    page = page_of_history()
    reader = Reader(page)

    assert set(reader.tags) & {"script", "link", "img", "iframe", "object", "a", "base"} == set()
    names = {name for name, _ in reader.attributes}
    assert names & {"src", "href", "style"} == set()
    assert not any(name.startswith("on") for name in names)
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#hatch"}
    assert "@import" not in page
    assert "://" not in page
    assert "default-src 'none'" in page


def test_whatever_the_course_says_is_text() -> None:
    """In titles, questions, predictions, claims, knobs, machines and tooltips."""
    course = replace(
        make_course({HOSTILE: (make_card("a", question=HOSTILE),)}), title=HOSTILE, labs={}
    )
    (bet, *others) = RUNS
    assert bet.prediction is not None
    result = replace(
        bet.result, machine=HOSTILE, knobs={HOSTILE: HOSTILE}, verdicts={HOSTILE: "confirmed"}
    )
    said = replace(bet.prediction, text=HOSTILE)
    runs = [replace(bet, result=result, prediction=said), *others]
    whole = period_stats(sums_of(REVIEWS), runs, course, MEMORIES, None, TODAY, SCHEDULER)
    page = render_html(whole, build_trends(sums_of(REVIEWS), whole, 0.9))
    reader = Reader(page)

    assert set(reader.tags) <= set(Reader(page_of_history()).tags)
    assert reader.text.count("<script>alert(1)</script>") == 9
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_an_empty_report_is_a_page_too() -> None:
    """It says that there is nothing."""
    empty = period_stats(NO_REPORT_SUMS, [], make_course({}), {}, None, TODAY, SCHEDULER)
    text = Reader(render_html(empty, build_trends(NO_REPORT_SUMS, empty, 0.9))).text
    for line in (
        "No known card came up for review.",
        "No answer was given with a confidence.",
        "The course has no cards.",
        "No lab was run in this period.",
        "No reviews in this period.",
    ):
        assert line in text


def test_many_runs_are_counted_and_the_latest_described() -> None:
    run = whole_summary().runs[0]
    runs = tuple(replace(run, lab=f"core/lab-{n}") for n in range(N_RUNS + 3))
    text = Reader(
        render_html(
            replace(whole_summary(), runs=runs),
            build_trends(sums_of(REVIEWS), whole_summary(), 0.9),
        )
    ).text
    assert f"{N_RUNS + 3} runs" in text
    assert f"the last {N_RUNS} runs" in text
    assert "core/lab-2 " not in text
    assert "core/lab-3 " in text


@pytest.mark.parametrize("most", [0, 1, 7, 48, 1234, 10**6])
def test_bars_stay_inside_their_chart(most: int) -> None:
    """The highest one reaches at most the highest line."""
    forecast = [(TODAY + timedelta(days=n), most if n == 3 else 0) for n in range(30)]
    chart = forecast_chart(forecast, 0)
    heights = [float(h) for h in re.findall(r'<rect class="due".*?height="([\d.]+)"', chart)]
    top = min(float(y) for y in re.findall(r'class="grid" d="M[\d.]+ ([\d.]+)H', chart))
    assert len(heights) == 30
    assert 150 - max(heights) >= top - 0.1
    assert (max(heights) == 0) == (most == 0)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 400), (400, 400)])
def test_intervals_stay_inside_their_chart(k: int, n: int) -> None:
    week = Retention(n, k, *wilson_interval(k, n))
    chart = retention_chart([(TODAY, week), (TODAY + timedelta(days=7), week)], 0.9)
    for top, bottom in re.findall(r'<path d="M[\d.]+ ([\d.]+)V([\d.]+)"/>', chart):
        assert all(11.9 <= float(y) <= 150.1 for y in (top, bottom))


# --- in a browser ---

Browse: TypeAlias = Callable[..., str]


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Browse:
    """Calls headless Chromium with these options; returns its output."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        pytest.skip("no chromium on PATH: the page is not opened in a browser")
    profile = tmp_path_factory.mktemp("profile")

    def call(*options: str) -> str:
        command = [
            *(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--hide-scrollbars", "--allow-file-access-from-files"),
            *(f"--user-data-dir={profile}", *options),
        ]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return finished.stdout

    return call


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page_of_history(), encoding="utf-8")
    return path


def test_a_browser_paints_the_page(browse: Browse, page: Path, tmp_path: Path) -> None:
    """Its ground, its text, and every shade of the charts and verdicts are on the picture."""
    picture = tmp_path / "report.png"
    browse(f"--screenshot={picture}", "--window-size=900,1000", page.as_uri())
    colours = colours_of(picture)
    for name, colour in {
        "ground": "f6f7f9",
        "panel": "ffffff",
        "rule": "d9dee5",
        "accent": "2563a8",
        "empty": "e6eaf0",
    }.items():
        assert bytes.fromhex(colour) in colours, name
    assert len(colours) > 50  # letters and lines are smoothed


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_is_wider_than_the_screen(browse: Browse, page: Path, width: int) -> None:
    """On a phone as on a desk; the charts are as wide as their frames."""
    frame = page.with_name(f"frame-{width}.html")
    frame.write_text(
        f'<iframe src="{page.name}" style="width:{width}px;height:800px;border:0"></iframe>'
        "<script>onload = () => {const d = document.querySelector('iframe').contentDocument;"
        "document.title = `wide=${d.documentElement.scrollWidth}"
        " charts=${[...d.querySelectorAll('.chart')].map(c => Math.round(c.clientWidth))}`}"
        "</script>",
        encoding="utf-8",
    )
    dom = browse("--dump-dom", frame.as_uri())
    found = re.search(r"<title>wide=(\d+) charts=([\d,]+)</title>", dom)
    assert found is not None, dom
    charts = [int(each) for each in found[2].split(",")]
    assert int(found[1]) <= width
    assert len(charts) == len(CHARTS)
    assert min(charts) > min(width, 600) * 0.7


def colours_of(picture: Path) -> set[bytes]:
    """The colours of a PNG of 8 bits a channel, which is what Chromium writes."""
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    packed, at = b"", 8
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", body[:10])
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    assert depth == 8
    step = {2: 3, 6: 4}[colour]
    raw, stride = zlib.decompress(packed), width * step
    above, colours = bytearray(stride), set()
    for row in range(height):
        start = row * (stride + 1)
        line = bytearray(raw[start + 1 : start + 1 + stride])
        _unfilter(raw[start], line, above, step)
        colours |= {bytes(line[x : x + 3]) for x in range(0, stride, step)}
        above = line
    return colours


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    """Undo the filter of one row of a PNG, in place."""
    if kind == 2:
        line[:] = bytes((value + up) & 255 for value, up in zip(line, above, strict=True))
    elif kind != 0:
        for i in range(len(line)):
            left, corner = (line[i - step], above[i - step]) if i >= step else (0, 0)
            up = above[i]
            if kind == 1:
                guess = left
            elif kind == 3:
                guess = (left + up) // 2
            else:
                far = left + up - corner
                to_left, to_up, to_corner = abs(far - left), abs(far - up), abs(far - corner)
                guess = up if to_up <= to_corner else corner
                if to_left <= to_up and to_left <= to_corner:
                    guess = left
            line[i] = (line[i] + guess) & 255
