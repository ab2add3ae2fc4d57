"""`studykit models pull`, against a hub on this machine."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.hub import COMMIT, NAME, Hub
from tests.commands.runner import PROGRAM, Outcome


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    made.files = {
        "config.json": b'{"model_type": "llama"}',
        "model.safetensors": random.Random(0).randbytes(12_000_000),
        "pytorch_model.bin": b"pickled",
        "tokenizer.json": b"{}",
    }
    with made.serving():
        yield made


def pull(hub: Hub, folder: Path, *arguments: str, **variables: str) -> Outcome:
    """`studykit models pull` with a cache of its own and no terminal."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(folder),
        "HF_HUB_DISABLE_XET": "1",
        **variables,
    }
    done = subprocess.run(
        [*PROGRAM, "models", "pull", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def snapshot(folder: Path) -> Path:
    return folder / "hub" / "models--someone--tiny" / "snapshots" / COMMIT


def test_a_model_is_pulled_into_the_hub_s_cache(hub: Hub, tmp_path: Path) -> None:
    """What labs can read of it, and nothing that is a program."""
    outcome = pull(hub, tmp_path, NAME, "--yes")

    assert outcome.code == 0, outcome.err
    assert "3 files, 12 MB" in outcome.out and "apache-2.0" in outcome.out
    assert outcome.out.endswith(f"studykit lab run LAB --model {NAME}\n")
    found = {path.name: path.read_bytes() for path in snapshot(tmp_path).iterdir()}
    assert found == {name: hub.files[name] for name in found}
    assert found.keys() == {"config.json", "model.safetensors", "tokenizer.json"}


def test_a_download_that_was_broken_off_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.breaks_after = 11_000_000

    outcome = pull(hub, tmp_path, NAME, "--yes")

    assert outcome.code == 0, outcome.err
    weights = [asked for asked in hub.asked if asked.startswith("model.safetensors")]
    assert len(weights) == 2 and "bytes=" in weights[1]
    whole = (snapshot(tmp_path) / "model.safetensors").read_bytes()
    assert whole == hub.files["model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_hub_s_is_refused(hub: Hub, tmp_path: Path, name: str) -> None:
    """Large files have another hash on the hub than small ones."""
    hub.lies = {name}

    outcome = pull(hub, tmp_path, NAME, "--yes")

    assert outcome.code == 1
    assert f"{name} is not the file that the hub has" in outcome.err


def test_a_gguf_file_is_asked_for_by_its_name(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"tiny-q4.gguf": b"GGUF" * 1000, "tiny-q8.gguf": b"GGUF" * 2000}

    without, unknown, named = (
        pull(hub, tmp_path, NAME, "--yes", *more)
        for more in ((), ("--file", "tiny.gguf"), ("--file", "tiny-q4.gguf"))
    )

    assert "name one of its GGUF files with --file" in without.complaint
    assert "it has tiny-q4.gguf, tiny-q8.gguf" in unknown.complaint
    assert (without.code, unknown.code, named.code) == (2, 2, 0)
    assert named.out.endswith(f"--model {snapshot(tmp_path) / 'tiny-q4.gguf'}\n")


def test_a_name_that_the_hub_does_not_know_is_one_line(hub: Hub, tmp_path: Path) -> None:
    unknown, malformed = (pull(hub, tmp_path, name, "--yes") for name in ("some/one", "a//b"))

    assert "the hub has no model some/one" in unknown.complaint
    assert "'a//b' is no name on the hub" in malformed.complaint


def test_a_model_that_is_not_given_is_one_line(hub: Hub, tmp_path: Path) -> None:
    """No such revision, or terms that nobody has agreed to."""
    unknown = pull(hub, tmp_path, NAME, "--revision", "v9", "--yes")
    hub.is_gated = True
    gated = pull(hub, tmp_path, NAME, "--yes")

    assert (unknown.code, unknown.complaint) == (2, f"{NAME} has no such revision")
    assert gated.code == 1
    assert gated.complaint.startswith(f"{NAME} is given only to those who ask")


def test_without_a_network_there_is_one_clear_line(hub: Hub, tmp_path: Path) -> None:
    nobody = pull(hub, tmp_path, NAME, "--yes", HF_ENDPOINT="http://127.0.0.1:9")
    offline = pull(hub, tmp_path, NAME, "--yes", HF_HUB_OFFLINE="1")

    for outcome in (nobody, offline):
        assert outcome.code == 1
        assert outcome.complaint.startswith("the hub does not answer: ")
        assert "Errno" not in outcome.complaint
        assert "goes on where it stopped" in outcome.complaint


def test_it_asks_before_it_downloads(hub: Hub, tmp_path: Path) -> None:
    outcome = pull(hub, tmp_path, NAME)

    assert outcome.code == 2
    assert outcome.complaint.endswith("(pass --yes)")
    assert not hub.asked
