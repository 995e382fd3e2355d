"""The commands as they are installed: what is alike in all of them."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
COMMANDS = sorted(PROJECT["scripts"])
WAITS = "import signal\nprint('importing', flush=True)\nsignal.pause()\n"
# Whoever runs the tests in the background has SIGINT ignored, and with it all that they start.
HEARS = "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nos.execv(sys.argv[1], sys.argv[1:])"


def command(name):
    return str(Path(sys.executable).parent / name)


@pytest.mark.requirement("CMD-001")
@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_among_imports_ends_quietly_by_the_signal(name, tmp_path):
    (tmp_path / "click.py").write_text(WAITS)  # all of them import click
    with subprocess.Popen(
        [sys.executable, "-c", HEARS, command(name), "--help"],
        env={"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout.readline() == "importing\n"
            started.send_signal(signal.SIGINT)
            _, said = started.communicate(timeout=60)
        finally:
            started.kill()
    assert (said, started.returncode) == ("", -signal.SIGINT)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_runs_under_its_own_name(name):
    ended = subprocess.run([command(name), "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.startswith(f"Usage: {name} [OPTIONS]")


@pytest.mark.requirement("CMD-002")
@pytest.mark.parametrize("name", COMMANDS)
def test_each_says_which_release_it_is_of(name):
    ended = subprocess.run([command(name), "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == f"{name}, version {PROJECT['version']}\n"
