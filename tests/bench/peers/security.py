"""Whether a gateway's security is on: asked of it, not believed."""

import httpx

from bench.load import FIRST
from bench.peers.gateway import MODERN, headers_of, legacy_call, modern_call, open_session

_STRANGER = "X-Nobody: 1"


def allows(door, era, *, tool=None, credential=None):
    """Tell whether a call ends with the server's "ok", with another tool or credential where one is given."""
    try:
        with httpx.Client(trust_env=False, timeout=60) as client:
            if era == MODERN:
                return _ok(client, door, modern_call(door, tool, credential))
            with open_session(client, door, headers_of(door)) as within:
                headers = within if credential is None else _with_another(within, door, credential)
                return _ok(client, door, legacy_call(door, headers, tool))
    except httpx.HTTPError:
        return False


def _with_another(within, door, credential):
    """Return the headers of a session with another credential."""
    own = door.credential.partition(": ")[0]
    name, _, value = credential.partition(": ")
    return {**{key: one for key, one in within.items() if key != own}, name: value}


def _ok(client, door, request):
    head, _, body = request.partition("\r\n\r\n")
    lines = [line.partition(": ") for line in head.split("\r\n")[1:]]
    headers = {name: value for name, _, value in lines if name not in ("Host", "Content-Length")}
    answer = client.post(door.url, content=body, headers=headers)
    return answer.status_code == 200 and '"ok"' in answer.text and str(FIRST) in answer.text


def hold(gateway, door, era, bad="bad"):
    """Raise RuntimeError where a gateway is not as it is described: what is allowed passes, and nothing else."""
    if not allows(door, era):
        raise RuntimeError(f"{gateway.name}, {era}: an allowed call does not pass")
    if allows(door, era, credential=_STRANGER) is gateway.keyed:
        raise RuntimeError(f"{gateway.name}, {era}: whether a key is needed is not as described")
    if allows(door, era, tool=door.tool.replace("good", bad)) is gateway.ruled:
        raise RuntimeError(f"{gateway.name}, {era}: whether a tool can be forbidden is not as described")
