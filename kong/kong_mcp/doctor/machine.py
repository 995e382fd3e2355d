"""Checks of the machine: are the folders there that must be written, and does one plugin server serve the socket?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Final

from kong_mcp.doctor.finding import CheckResult, fail, ok, warn
from kong_mcp.doctor.place import Installation
from mcp_core.decide import decide_post

_SERVER: Final = "mcp-pluginserver"
_GUARD_WRITES: Final = ("KONG_MCP_POLICIES",)
"""Variables of the plugin server that name a folder in which it writes."""
_SIDECAR_WRITES: Final = (
    *("KONG_MCP_SNAPSHOT", "KONG_MCP_ISSUER_KEYS", "KONG_MCP_REVOKED", "KONG_MCP_HEALTH", "KONG_MCP_ASK_SOCKET"),
    "MCP_SIDECAR_STORE",
)
"""Variables of the sidecar that name a file, in whose folder it writes."""


def check_folders(place: Installation) -> CheckResult:
    """Say whether the folders are there in which plugin server and sidecar write, and may be written at all."""
    check = "folders"
    folders = [("the plugin server", place.socket.parent)]
    folders += [("the plugin server", Path(place.guard[name])) for name in _GUARD_WRITES if place.guard.get(name)]
    named = [place.sidecar.get(name) or "" for name in (*_SIDECAR_WRITES, "MCP_SIDECAR_AUDIT")]
    folders += [("the sidecar", Path(one).parent) for one in named if one and "://" not in one]
    for who, folder in folders:
        try:
            is_read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
        except OSError as error:
            return fail(check, f"{folder}, in which {who} writes: {error.strerror}", f"make {folder} for its user")
        if is_read_only:
            return fail(
                check, f"{folder}, in which {who} writes, is on a read-only file system", f"mount {folder} writable"
            )
    return ok(check, "those that plugin server and sidecar write are there, and none is read-only")


def check_servers(place: Installation) -> CheckResult:
    """Say whether more than one plugin server was started for the socket: Kong keeps its connections to each."""
    found = dict(_servers(place.socket))
    pids = sorted(pid for pid, parent in found.items() if parent not in found)
    if len(pids) > 1:
        return warn(
            "plugin servers",
            f"{len(pids)} were started for {place.socket} (processes {', '.join(map(str, pids))}): new connections "
            "come to the one that started last, and Kong keeps those that it has to the others",
            "end all but the one that your service manager runs",
        )
    return ok("plugin servers", "no second one was started for the socket")


def check_build() -> CheckResult:
    """Say which of the two builds is installed here."""
    if isinstance(decide_post, FunctionType):
        return ok("build", "what decides over a call is plain Python; docs/speed.md says how to have it compiled")
    return ok("build", "what decides over a call is compiled")


def _servers(socket: Path) -> Iterator[tuple[int, int]]:
    """Yield process and parent of what runs as a plugin server for this socket, workers too; see proc(5)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        is_one = any(Path(word).name == _SERVER for word in words[:3])
        if is_one and {str(socket), f"--socket={socket}"} & set(words):
            yield int(folder.name), parent
