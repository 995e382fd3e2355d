"""The live screen: one row a server, and what others wrote is text."""

import io
import socket

import pytest
from rich.console import Console

from kong_mcp.happenings import Happening, Sort, Told
from kong_mcp.screen import Health, Screen
from kong_mcp.servers import parse_server


class Quiet:
    """Stands for what is watched: things that happened, handed out once."""

    def __init__(self, *happened):
        self._happened = happened
        self.told = Told()
        self.calls = {"notes": 7}

    def look(self):
        happened, self._happened = self._happened, ()
        return list(self.told.new(happened))

    def rates(self):
        return {"notes": 3}


def drawn(screen, height=30):
    console = Console(file=io.StringIO(), width=200, height=height, force_terminal=True, color_system=None)
    console.print(screen.render(height))
    return console.file.getvalue()


@pytest.mark.requirement("KNOW-007")
def test_a_server_has_its_health_its_calls_and_its_counts():
    with socket.create_server(("127.0.0.1", 0)) as up:
        port = up.getsockname()[1]
        servers = [parse_server(f"notes=http://127.0.0.1:{port}/mcp,http://127.0.0.1:1/mcp")]
        happened = [Happening(Sort.REFUSAL, "notes", "a [red]refusal[/red]")] * 2
        happened.append(Happening(Sort.FINDING, "notes", "a finding"))
        screen = Screen(servers, lambda name: f"http://gw/{name}/mcp", Quiet(*happened), Health(servers))
        assert "?/2" in drawn(screen)
        screen.look()
        screen.look()
        text = drawn(screen)
    row = next(line for line in text.splitlines() if line.startswith("notes"))
    assert row.split() == ["notes", "http://gw/notes/mcp", "1/2", "7", "3", "2", "1", "0", "0"]
    assert text.count("a [red]refusal[/red]") == 1
    assert "a finding" in text


@pytest.mark.requirement("KNOW-007")
def test_a_small_terminal_shows_the_last_lines():
    servers = [parse_server("notes=http://127.0.0.1:1/mcp")]
    happened = [Happening(Sort.TROUBLE, "notes", f"line {number}.") for number in range(100)]
    screen = Screen(servers, str, Quiet(*happened), Health(servers))
    screen.look()
    text = drawn(screen, height=9)
    assert "line 99." in text
    assert "line 97." not in text
