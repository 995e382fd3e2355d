"""Commands that people paste: what a real shell makes of them, whatever a server calls its items."""

import subprocess

import pytest

from kong_mcp.surface_words import surface_command
from mcp_core.scan import escaped

NAMES = [
    "read",
    "'$(echo RUN)",
    '"`echo RUN`',
    "a; echo RUN",
    "a\necho RUN",
    "$HOME",
    "a b  c",
    "*",
    "!!",
    "gr\u00fc\u00dfe",
    "\x1b[2J",
    "\u202ebidi",
    "it's",
    "back\\slash",
]
OPTIONS = ["--all", "--help", "-rf", "--store=postgresql://h/x", "-"]


def words(command):
    """Return what a shell hands to the command."""
    script = "kong-mcp() { printf '%s\\n' \"$@\"; }\n" + command.replace("kong-mcp", "'kong-mcp'", 1)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd="/")
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.requirement("REV-012")
@pytest.mark.parametrize("name", NAMES)
def test_a_shell_hands_on_the_name_as_one_word(name):
    command = surface_command("diff", "notes", "tool", name, " --store S")
    assert words(command) == ["surface", "diff", "notes", "tool", escaped(name), "--store", "S"]


@pytest.mark.requirement("REV-012")
@pytest.mark.parametrize("name", OPTIONS)
def test_a_name_that_looks_like_an_option_stands_behind_the_options(name):
    command = surface_command("approve", "notes", "tool", name, " --store S")
    assert words(command) == ["surface", "approve", "--store", "S", "--", "notes", "tool", name]


@pytest.mark.requirement("REV-012")
def test_instructions_have_no_name_and_a_name_that_nobody_reads_leads_to_the_screen():
    assert words(surface_command("show", "notes", "instructions", "")) == ["surface", "show", "notes", "instructions"]
    screen = surface_command("show", "notes", "tool", "x" * 201, " --store S")
    assert words(screen) == ["surface", "review", "--server", "notes", "--store", "S"]
