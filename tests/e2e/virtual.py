"""A gateway with virtual servers in front of servers of the tests."""

import contextlib
from dataclasses import replace

from e2e.harness import CONSUMERS, Running
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import DevServer, parse_server
from servers.launch import RECORDING, Replica

OPEN = {kind: {"allow": ["*"]} for kind in ("tools", "prompts", "resources")}


def virtual(name, members, **policy):
    return DevServer(name, "http", "/mcp", (), {**OPEN, **policy}, virtual=True, members=tuple(members))


@contextlib.contextmanager
def start(kind, members, virtuals, *, down=(), consumers=CONSUMERS, scripts=None, **further):
    """Run members (name -> policy), and virtual servers over them. Those in `down` are not started.

    `further` are settings of DevSettings.
    """
    with contextlib.ExitStack() as stack:
        replicas, servers = {}, []
        for name, policy in members.items():
            replicas[name] = [Replica(name, script=(scripts or {}).get(name, RECORDING))]
            stack.callback(replicas[name][0].kill)
            if name in down:
                replicas[name][0].kill()
            parsed = parse_server(f"{name}={replicas[name][0].url}")
            servers.append(replace(parsed, policy=policy, acted=True))
        settings = DevSettings([*servers, *virtuals], kind, port=0, consumers=consumers, **further)
        yield Running(stack.enter_context(run_dev(settings)), replicas)
