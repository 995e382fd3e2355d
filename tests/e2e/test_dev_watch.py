"""kong-mcp dev --watch: a live screen on a terminal, plain lines elsewhere, and a clean end."""

import os
import pty
import re
import signal
import subprocess

import pytest

from e2e.harness import call
from e2e.test_dev_command import COMMAND
from e2e.test_dev_tells import Dev, policy, running  # noqa: F401 - policy is a fixture
from servers.launch import replicas

ENTER, LEAVE, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


class Terminal:
    """The other end of a terminal, and all that was written to it."""

    def __init__(self):
        self._ours, self.theirs = pty.openpty()
        self.text = ""

    def until(self, pattern):
        """Read until a pattern is there, anew for each call."""
        seen = ""
        while (found := re.search(pattern, seen)) is None:
            data = os.read(self._ours, 65536).decode(errors="replace")
            seen += data
            self.text += data
        return found

    def rest(self):
        """Read what is left once the other end was let go."""
        os.close(self.theirs)
        try:
            while data := os.read(self._ours, 65536):
                self.text += data.decode(errors="replace")
        except OSError:
            pass
        os.close(self._ours)
        return self.text


@pytest.mark.requirement("KNOW-007")
def test_the_screen_shows_what_happens_and_leaves_the_terminal_as_it_was(policy, tmp_path):  # noqa: F811 - the fixture
    terminal = Terminal()
    with replicas("notes-1") as (replica,):
        command = [*COMMAND, "--server", f"notes={replica.url}", "--policy", str(policy), "--gateway", "devkit"]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
        with (
            (tmp_path / "stderr").open("w") as stderr,
            subprocess.Popen(
                [*command, "--port", "0", "--watch"], stdout=terminal.theirs, stderr=stderr, env=environment
            ) as process,
        ):
            try:
                dev = Dev.__new__(Dev)
                dev.url = terminal.until(r"notes: (http://\S+)")[1]
                terminal.until(r"nothing was refused or found yet")
                dev.post(call("[red]bad"), key=None)
                terminal.until(r"tools/call \[red\]bad; no glob of tools\.allow")
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)
    said = terminal.rest()
    assert process.returncode == 0
    assert said.count(ENTER) == said.count(LEAVE) == 1
    assert said.rindex(SHOW_CURSOR) > said.rindex("tools/call [red]bad")
    assert "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.mark.requirement("KNOW-007")
def test_where_standard_output_is_no_terminal_lines_are_plain(policy):  # noqa: F811 - the fixture
    with replicas("notes-1") as (replica,), running("devkit", replica.url, policy, "--watch") as dev:
        dev.post(call("bad"))
        (line,) = [one for one in dev.until("tools/call bad") if "bad" in one]
        assert line.startswith("notes: refused; bob; tools/call bad;")
        assert "\x1b" not in line
