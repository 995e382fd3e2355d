"""Files that commands write: whole, through links, and never in the place of what is no file."""

import os
import subprocess
import sys
import threading

import click
import pytest
from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.written import write_whole

pytestmark = pytest.mark.requirement("SRV-045")


def test_a_pipe_gets_the_text_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_whole(pipe, "text\n")
    reader.join(30)
    assert (got, pipe.is_fifo()) == (["text\n"], True)


def test_standard_output_is_a_place_to_write_to():
    code = "from pathlib import Path; from kong_mcp.written import write_whole; write_whole(Path('/dev/stdout'), 'x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x", "")


def test_a_link_goes_on_pointing_where_it_did(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_what_cannot_be_written_is_an_error_in_words(tmp_path):
    with pytest.raises(click.ClickException, match=r"cannot write .*/none/x: No such file or directory"):
        write_whole(tmp_path / "none" / "x", "")
    tools = tmp_path / "tools.json"
    tools.write_text('{"tools": []}')
    done = CliRunner().invoke(main, ["scan", "--sarif", str(tmp_path / "none" / "x"), str(tools)])
    assert (done.exit_code, "Error: cannot write" in done.stderr) == (1, True)
