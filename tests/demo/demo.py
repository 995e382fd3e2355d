"""The main job on real input: official MCP clients, through a gateway, to real MCP servers, under a policy."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import click
from mcp import Client, MCPError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import desk
import login
import poisoned
import portal

from kong_mcp.login.start import NoProviderError, modules, node
from servers.launch import Replica

_SERVER = Path(__file__).with_name("demo_server.py")
_POLICY = """\
tools:
  allow: ["list_*", "read_*", get_forecast]
  deny: ["delete_*"]
"""
_PINNED = """\
tools: {allow: ["*"]}
pins: {mode: enforce}
"""
_FOREIGN = """\
tools: {allow: ["*"]}
pins: {mode: enforce, trust: foreign}
"""
_ERAS = {"legacy": "initialize handshake and sessions", "2026-07-28": "stateless"}
_CALLS = 6
_PATIENCE = 60
"""Seconds until Kong has told of all calls."""


def say(text=""):
    click.echo(text)


def step(number, text):
    say(f"\n{number}. {text}")


def line(who, what):
    say(f"   {who:<10} {what}")


def text_of(result):
    return ", ".join(block.text for block in result.content)


def executed(replicas):
    return [name for replica in replicas for _, name in replica.executed()]


@contextlib.contextmanager
def gateway(policy, *options, **servers):
    """Run `kong-mcp dev` around the servers and give the URLs that it prints."""
    command = [str(Path(sys.executable).parent / "kong-mcp"), "dev", "--port", "0", *options]
    command += ["--policy", str(policy)] if policy else []
    for name, replicas in servers.items():
        command += ["--server", f"{name}=" + ",".join(replica.url for replica in replicas)]
    rest = " --policy policy.yaml" if policy else f" {' '.join(options)}"
    say("   $ kong-mcp dev " + " ".join(f"--server {name}=..." for name in servers) + rest)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            urls = {}
            for _ in servers:
                name, _, url = process.stdout.readline().strip().partition(": ")
                if not url:
                    raise SystemExit("the gateway did not start")
                urls[name] = url
                line("gateway", f"{name} is at {url}")
            yield urls
        finally:
            process.terminate()
            if process.wait() != 0:
                raise SystemExit("the gateway did not stop cleanly")


async def see_and_call(number, mode, urls, people):
    step(number, f"An agent that speaks MCP {mode} ({_ERAS[mode]})")
    async with Client(urls["weather"], mode=mode) as client:
        line("agent", f"weather offers {[tool.name for tool in (await client.list_tools()).tools]}")
        answer = await client.call_tool("get_forecast", {"city": "Lisbon"})
        line("agent", f"get_forecast says: {text_of(answer)}")
    async with Client(urls["people"], mode=mode) as client:
        offered = [tool.name for tool in (await client.list_tools()).tools]
        line("server", "people really has ['list_people', 'delete_person']")
        line("agent", f"people offers {offered}: the policy hides delete_person")
        line("agent", f"list_people says: {text_of(await client.call_tool('list_people', {}))}")
        for name in ("delete_person", "no_such_tool"):
            try:
                await client.call_tool(name, {"name": "ada"})
            except MCPError as error:
                line("refused", f"{name}: {error}")
            else:
                raise SystemExit(f"{name} was not refused")
    if offered != ["list_people"] or "delete_person" in executed(people):
        raise SystemExit("the policy did not hold")
    line("server", "delete_person was executed 0 times: the call never arrived")


async def lose_a_replica(number, urls, files):
    step(number, "A server with two replicas loses one, and agents go on")
    async with Client(urls["files"], mode="2026-07-28") as client:
        for _ in range(_CALLS):
            await client.call_tool("read_file", {"name": "menu.txt"})
        share = {replica.name: len(replica.executed()) for replica in files}
        line("agent", f"{_CALLS} calls answered, by {share}")
        lost = max(files, key=lambda replica: len(replica.executed()))
        lost.kill()
        line("operator", f"kill -9 {lost.name}")
        for _ in range(_CALLS):
            answer = await client.call_tool("read_file", {"name": "menu.txt"})
        line("agent", f"{_CALLS} more calls, all answered; the last one says: {text_of(answer)}")
    survivor = next(replica for replica in files if replica is not lost)
    if len(survivor.executed()) < _CALLS:
        raise SystemExit("the surviving replica did not answer all calls")


def show_usage(number, store):
    """Print who used what, once Kong has told of all calls: it does so every second."""
    step(number, "Who used what: Kong told the collector of every request, refused ones too")
    say("   $ kong-mcp usage show --by server,tool,outcome")
    command = [str(Path(sys.executable).parent / "kong-mcp"), "usage", "show", "--store", str(store)]
    calls = 0
    until = time.monotonic() + _PATIENCE
    while calls < 2 * _CALLS and time.monotonic() < until:
        time.sleep(0.2)
        counted = subprocess.run(
            [*command, "--tool", "read_file", "--format", "json"], stdout=subprocess.PIPE, check=True
        )
        calls = sum(load["calls"] for load in json.loads(counted.stdout))
    shown = subprocess.run([*command, "--by", "server,tool,outcome"], stdout=subprocess.PIPE, text=True, check=True)
    say(textwrap.indent("\n".join(one for one in shown.stdout.splitlines() if "  -  " not in one), "   | "))
    if calls != 2 * _CALLS:
        raise SystemExit(f"usage says {calls} calls of read_file, and agents made {2 * _CALLS}")


def log_in(number):
    step(number, "Who calls: agents have a URL alone, and find out by themselves where their people log in")
    try:
        node(modules())
    except NoProviderError as error:
        line("left out", str(error))
        return
    with contextlib.ExitStack() as stack:
        people = Replica("people", script=_SERVER)
        stack.callback(people.kill)
        urls = stack.enter_context(gateway(None, "--login", people=[people]))
        asyncio.run(login.show(urls["people"], line))
        if executed([people]) != ["list_people", "delete_person"]:
            raise SystemExit("a call without a person's consent reached the server")


def offer_as_one(number):
    step(number, "One URL over three servers with 300 tools, within a budget of 8,000 tokens")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {name: Replica(name, script=desk.SERVER) for name in desk.MEMBERS}
        for server in running.values():
            stack.callback(server.kill)
        desk.files(folder, running)
        say(textwrap.indent((folder / "desk.yaml").read_text().rstrip(), "   | "))
        urls = stack.enter_context(desk.gateway(folder))
        asyncio.run(desk.show(urls, line))
        if executed(running.values()) != ["cancel_refund"]:
            raise SystemExit("a server was asked for what nobody asked for")


def hold_what_is_foreign(number):
    """Show a tool that no rule sees waiting for a person."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        step(
            number, "A foreign server's tool, attacking in plain words: no rule can see that, so it waits for a person"
        )
        policy, store = folder / "policy.yaml", folder / "surfaces.db"
        policy.write_text(_FOREIGN)
        say(textwrap.indent(_FOREIGN.rstrip(), "   | "))
        travel = Replica("travel", script=_SERVER)
        stack.callback(travel.kill)
        urls = stack.enter_context(gateway(policy, "--store", str(store), travel=[travel]))
        asyncio.run(poisoned.wait_for_review(urls["travel"], store, say))
        if travel.executed():
            raise SystemExit("the tool that waits was executed")


def show_the_portal(number):
    """Show what people look at."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        step(number, "People look at what there is: the portal")
        files = Replica("files-1", script=_SERVER)
        stack.callback(files.kill)
        portal.show(folder, files.url, say)


def main():
    say("An MCP gateway for people who run Kong: the demo")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        policy = folder / "policy.yaml"
        policy.write_text(_POLICY)
        step(1, "Three MCP servers, written with the official SDK; files has two replicas")
        running = {}
        for name in ("weather", "people", "files-1", "files-2"):
            running[name] = Replica(name, script=_SERVER)
            stack.callback(running[name].kill)
            line("server", f"{name} at {running[name].url}")
        files = [running["files-1"], running["files-2"]]
        step(2, "A policy for all of them, and a gateway in front")
        say(textwrap.indent(_POLICY.rstrip(), "   | "))
        urls = stack.enter_context(
            gateway(
                policy,
                "--store",
                str(folder / "usage.db"),
                weather=[running["weather"]],
                people=[running["people"]],
                files=files,
            )
        )
        asyncio.run(see_and_call(3, "legacy", urls, [running["people"]]))
        asyncio.run(see_and_call(4, "2026-07-28", urls, [running["people"]]))
        asyncio.run(lose_a_replica(5, urls, files))
        show_usage(6, folder / "usage.db")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        step(7, "Two more servers: one has a poisoned tool, one will change its tool; agents get what is approved")
        policy, store = folder / "policy.yaml", folder / "surfaces.db"
        policy.write_text(_PINNED)
        say(textwrap.indent(_PINNED.rstrip(), "   | "))
        running = {name: Replica(name, script=_SERVER) for name in ("notes", "calendar")}
        for server in running.values():
            stack.callback(server.kill)
        urls = stack.enter_context(
            gateway(policy, "--store", str(store), notes=[running["notes"]], calendar=[running["calendar"]])
        )
        asyncio.run(poisoned.show(urls, store, running["calendar"], say))
        if {"search_notes"} & {name for _, name in running["notes"].executed()}:
            raise SystemExit("the poisoned tool was executed")
    hold_what_is_foreign(8)
    offer_as_one(9)
    log_in(10)
    show_the_portal(11)
    step(12, "Everything stops")
    say("   done: what the policy allows worked, what it forbids never reached a server, and poison no model")


if __name__ == "__main__":
    main()
