"""An MCP server on standard streams that behaves as a test's tool call tells it: well, or in every way that is wrong.

Standard library alone, and what it does stands in its journal: --journal FILE.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TOOLS = [{"name": "good", "description": "Says what it is told.", "inputSchema": {"type": "object"}}]


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def result(id_, text):
    say({"jsonrpc": "2.0", "id": id_, "result": {"content": [{"type": "text", "text": text}]}})


def flood(_id, _params):
    for _ in range(20_000):
        sys.stderr.write("x" * 1000 + "\n")
    sys.stderr.flush()


def fork(_id, _params):
    """Run 200 processes that leave this session, so that ending this one's group would not end them."""
    for _ in range(200):
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return True


def orphan(_id, _params):
    """Leave a process behind, whose parent has ended already, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "1000"])
        os._exit(0)


def leave(_id, _params):
    sys.exit(3)


def hang(_id, _params):
    return True


def deaf(_id, _params):
    time.sleep(1000)


def garbage(_id, _params):
    lines = [
        "Listening on stdio!",
        "",
        "{]",
        "[1, 2]",
        "\x00\xff",
        '{"id": 7}',
        '{"jsonrpc": "2.0", "id": 99, "result": {}}',
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def long(id_, _params):
    say({"jsonrpc": "2.0", "id": id_, "result": {"x": "x" * (10 << 20)}})
    return True


def memory(_id, _params):
    held = bytearray(1 << 30)
    held[:] = b"x" * len(held)


def files(_id, _params):
    return [os.open(os.devnull, os.O_RDONLY) for _ in range(4000)]


def stubborn(_id, _params):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def progress(_id, params):
    token = params["_meta"]["progressToken"]
    say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})


def neither(id_, _params):
    say({"jsonrpc": "2.0", "id": id_})
    return True


def ask(id_, _params):
    say({"jsonrpc": "2.0", "id": "s1", "method": "elicitation/create", "params": {"message": "well?"}})
    result(id_, sys.stdin.readline())
    return True


def change(_id, _params):
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "of one"}})


def environment(id_, _params):
    result(id_, json.dumps(dict(os.environ)))
    return True


_ALL = (
    flood,
    fork,
    orphan,
    hang,
    deaf,
    garbage,
    long,
    memory,
    files,
    stubborn,
    progress,
    neither,
    ask,
    change,
    environment,
)
BEHAVIOURS = {"exit": leave, **{one.__name__: one for one in _ALL}}
"""By the name of the tool that is called. What returns something has answered, or never will."""


def call(id_, params):
    behave = params["name"]
    if not BEHAVIOURS.get(behave, lambda *_: None)(id_, params):
        result(id_, f"{behave}: {params.get('arguments', {}).get('text', '')} by {os.getpid()}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--fail", action="store_true")
    options.add_argument("--slow", action="store_true")
    options.add_argument("--journal")
    options = options.parse_args()

    def note(what):
        if options.journal:
            with Path(options.journal).open("a") as journal:
                journal.write(f"{what}\n")

    note("started")
    if options.fail:
        sys.stderr.write("no database\n")
        sys.exit(4)
    for line in sys.stdin:
        message = json.loads(line)
        method, id_ = message.get("method"), message.get("id")
        note(method)
        if options.slow and method == "initialize":
            continue
        if method == "initialize" and "clientInfo" not in message["params"]:
            say({"jsonrpc": "2.0", "id": id_, "error": {"code": -32602, "message": "no clientInfo"}})
        elif method == "initialize":
            info = {"name": "local", "version": "1"}
            version = message["params"]["protocolVersion"]
            say(
                {
                    "jsonrpc": "2.0",
                    "id": id_,
                    "result": {
                        "protocolVersion": version,
                        "capabilities": {"tools": {"listChanged": True}},
                        "serverInfo": info,
                    },
                }
            )
        elif method == "tools/list":
            say({"jsonrpc": "2.0", "id": id_, "result": {"tools": TOOLS}})
        elif method == "tools/call":
            call(id_, message["params"])
        elif method == "resources/subscribe" and message["params"]["uri"] == "refused":
            say({"jsonrpc": "2.0", "id": id_, "error": {"code": -32002, "message": "no such resource"}})
        elif method == "resources/subscribe" and message["params"]["uri"] == "hang":
            continue
        elif id_ is not None and method:
            say({"jsonrpc": "2.0", "id": id_, "result": {}})


if __name__ == "__main__":
    main()
