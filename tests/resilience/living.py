"""Sessions of the official Python and TypeScript clients that go on while replicas are restarted."""

import asyncio
import contextlib
import itertools
import json
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from e2e.harness import CONSUMERS, connect_to
from node.tools import MODULES, node

NODE_SESSIONS = Path(__file__).with_name("sessions.mjs")
MAY_HAVE_RUN = "may have run"


@dataclass
class Seen:
    """What became of all calls: `ok`, those whose agents heard that they may have run, and by text all others."""

    ok: int = 0
    may_have_run: int = 0
    lost: Counter = field(default_factory=Counter)
    alive: int = 0
    """Sessions in which a call was answered after everything."""

    def failed(self, text):
        if MAY_HAVE_RUN in text:
            self.may_have_run += 1
        else:
            self.lost[text[:120]] += 1


def live(running, server, *, python, typescript, pause, disturb):
    """Open so many sessions, and call in each every `pause` seconds until `disturb(seen)` returns. Gives Seen."""
    seen, over = Seen(), threading.Event()
    with contextlib.ExitStack() as stack:
        nodes = _start_nodes(running, server, typescript, pause) if typescript else None
        if nodes is not None:
            stack.callback(nodes.kill)
        opened = threading.Event()
        thread = threading.Thread(
            target=lambda: asyncio.run(_pythons(running, server, python, pause, seen, opened, over)), daemon=True
        )
        thread.start()
        assert opened.wait(300), "the Python clients did not connect"
        if nodes is not None:
            assert nodes.stdout.readline().strip() == "open", nodes.stderr.read()[-2000:]
        disturb(seen)
        over.set()
        thread.join(300)
        if nodes is not None:
            said, errors = nodes.communicate("over\n", timeout=300)
            assert nodes.returncode == 0, errors[-2000:]
            told = json.loads(said)
            seen.ok += told["ok"]
            seen.alive += told["alive"]
            for text, count in told["failed"].items():
                for _ in range(count):
                    seen.failed(text)
    return seen


async def _pythons(running, server, count, pause, seen, opened, over):
    names = itertools.cycle([consumer.name for consumer in CONSUMERS])
    turns, waiting = asyncio.Semaphore(8), [count]

    async def one(name):
        async with contextlib.AsyncExitStack() as stack:
            async with turns:
                client = await stack.enter_async_context(connect_to(running.url(server), running.key(name), "legacy"))
                await client.call_tool("whoami")
            waiting[0] -= 1
            if not waiting[0]:
                opened.set()
            while not over.is_set():
                await _called(client, seen)
                await asyncio.sleep(pause)
            # One call may run into what it cannot repeat; a session that has ended answers no call.
            answered = await _called(client, seen) or await _called(client, seen)
            seen.alive += answered

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(one(next(names)))


async def _called(client, seen):
    """Call once; returns whether an answer came."""
    try:
        answer = await client.call_tool("whoami")
    except Exception as error:  # noqa: BLE001 - whatever a client makes of it, the call is lost
        seen.failed(str(error) or type(error).__name__)
        return False
    if answer.is_error:
        seen.failed(str(answer.content))
        return False
    seen.ok += 1
    return True


def _start_nodes(running, server, count, pause):
    keys = [running.key(consumer.name) for consumer in CONSUMERS]
    settings = {"modules": str(MODULES), "url": running.url(server), "keys": keys, "count": count, "pause": pause}
    command = [str(node()), str(NODE_SESSIONS), json.dumps(settings)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
