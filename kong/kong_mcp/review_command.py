"""`kong-mcp surface review`: the review screen on a terminal, over a store."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Final

import click
from rich.console import Console, Group
from rich.live import Live

from kong_mcp.review_screen import NextStep, ReviewScreen
from mcp_sidecar.store.store import Store
from mcp_sidecar.surface import queue

WHY: Final = "reviewed on the screen"
_SEQUENCES: Final = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[5~": "pageup",
    "\x1b[6~": "pagedown",
    "\r": "enter",
    "\n": "enter",
    "\x1b": "escape",
    " ": "pagedown",
}


def review(store: Store, *, server: str | None, reviewer: str, why: str | None, only_print: bool) -> None:
    """Show what waits and write down what is decided.

    Raises:
        click.ClickException: there is no terminal, or another reviewer was first with something.
    """
    screen = ReviewScreen(queue.waiting(store, server))
    if only_print:
        screen.height = 10_000
        console = Console(highlight=False)
        for line in screen.lines()[:-1]:
            console.print(line, soft_wrap=True)
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException(
            "the screen needs a terminal. In scripts, `kong-mcp surface review --print` prints what waits, and "
            "`kong-mcp surface approve` and `reject` decide, one item at a time or by a lock file"
        )
    if not screen.rows:
        click.echo("nothing waits")
        return
    while _run(screen) is NextStep.WRITE:
        if _confirmed(screen):
            written, conflicts = queue.decide(store, screen.decisions(), reviewer=reviewer, why=why or WHY)
            click.echo(f"{written} written")
            if conflicts:
                raise click.ClickException("\n".join([f"{len(conflicts)} were not written:", *conflicts]))
            return
        screen.note = "nothing was written"
    click.echo("nothing was written")


def _run(screen: ReviewScreen) -> NextStep:
    """Show the screen until it wants something."""
    console = Console(highlight=False)
    live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    with _read_keys() as read_key, live:
        while True:
            screen.height, screen.width = console.height, console.width
            lines = screen.lines()
            for line in lines:
                line.no_wrap, line.overflow = True, "ellipsis"
            live.update(Group(*lines), refresh=True)
            try:
                asked = screen.press(keys(read_key()))
            except (KeyboardInterrupt, EOFError):
                return NextStep.QUIT
            if asked is not NextStep.NOTHING:
                return asked


@contextlib.contextmanager
def _read_keys() -> Iterator[Callable[[], str]]:
    """Give what waits for a key, and returns all that was pressed by then. The terminal is afterwards as it was."""
    if os.name != "posix":
        yield click.getchar
        return
    import termios  # noqa: PLC0415 - is not on every system
    import tty  # noqa: PLC0415

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    # Once for the whole screen: a terminal drops what was typed when its mode changes.
    tty.setcbreak(fd)
    try:
        yield lambda: os.read(fd, 1024).decode(errors="replace")
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _confirmed(screen: ReviewScreen) -> bool:
    """Ask once more, naming the numbers. What was typed before the question does not answer it."""
    click.echo(f"{screen.told()}. The decisions are kept with your name.")
    _drop_typed_ahead()
    try:
        return click.prompt("Type yes to write them", default="no", show_default=False).strip() == "yes"
    except click.Abort:
        return False


def _drop_typed_ahead() -> None:
    if os.name == "posix":
        import termios  # noqa: PLC0415 - is not on every system

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def keys(text: str) -> list[str]:
    """Return the keys that one read of a terminal brought: words for those that are no letters."""
    if text in _SEQUENCES:
        return [_SEQUENCES[text]]
    if not text:
        raise EOFError
    found, rest = [], text
    while rest:
        known = next(
            (sequence for sequence in sorted(_SEQUENCES, key=len, reverse=True) if rest.startswith(sequence)), rest[0]
        )
        found.append(_SEQUENCES.get(known, known))
        rest = rest[len(known) :]
    return found
