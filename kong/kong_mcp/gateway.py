"""A gateway process for the local gateway: a real Kong where there is one, the devkit otherwise, from one kong.conf."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kong_mcp.processes import Child
from kong_mcp.share import lua_folder, plugins_folder, program, short_folder
from mcp_kong.again import SWITCH
from mcp_kong.asks import ASK_SOCKET_VARIABLE
from mcp_kong.health_file import HEALTH_VARIABLE
from mcp_kong.keyfiles import ISSUER_KEYS_VARIABLE
from mcp_kong.policies import POLICIES_VARIABLE
from mcp_kong.revocations import REVOKED_VARIABLE
from mcp_kong.settings import KEYS_VARIABLE
from mcp_kong.snapshots import SNAPSHOT_VARIABLE

GATEWAYS: Final = ("kong", "devkit")
VARIABLES: Final = (
    KEYS_VARIABLE,
    SNAPSHOT_VARIABLE,
    ISSUER_KEYS_VARIABLE,
    POLICIES_VARIABLE,
    ASK_SOCKET_VARIABLE,
    REVOKED_VARIABLE,
    HEALTH_VARIABLE,
    SWITCH,
)
"""What the plugin server, which Kong starts here, finds in its environment."""
BUFFERS: Final = {"nginx_proxy_proxy_buffer_size": "32k", "nginx_proxy_proxy_buffers": "4 32k"}
"""Each buffer of an answer that is read has its price, in Lua too: few large ones are cheaper."""
IGNORED_HEADERS: Final = "X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset"
"""Headers with which a server's answer would tell nginx to run another request, or how to send this one."""


class NoKongError(RuntimeError):
    """A real Kong was asked for, and there is none on the PATH."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What a gateway is started with. `workers` is the number of plugin server processes.

    `admin` is the port of its Admin API, which is off without one. `answers` says whether it loads mcp-answers, which
    takes a Kong that runs Lua, and mcp-internal in Lua with it; `short`, whether mcp-guard is asked in one frame then.
    """

    folder: Path
    state: Path
    port: int
    answers: bool = False
    workers: int = 2
    nginx_workers: int = 1
    admin: int | None = None
    short: bool = False


def choose_gateway(wanted: str | None) -> str:
    """Return "kong" or "devkit": what is wanted, else Kong where it is on the PATH.

    Raises:
        NoKongError: Kong is wanted and not there.
    """
    present = shutil.which("kong") is not None
    if wanted == "kong" and not present:
        raise NoKongError("there is no `kong` on the PATH: install Kong Gateway 3.9, or use --gateway devkit")
    return wanted or ("kong" if present else "devkit")


def kong_conf(settings: GatewaySettings) -> str:
    """Return the kong.conf of a local, DB-less gateway that starts our plugin server itself."""
    socket = settings.folder / "mcp.sock"
    server = program("mcp-pluginserver")
    plugins = plugins_folder()
    start = f"{server} --plugins {plugins} --socket {socket} --workers {settings.workers} --end-with-parent"
    values = {
        "prefix": settings.folder / "prefix",
        "database": "off",
        "declarative_config": settings.state,
        "proxy_listen": f"127.0.0.1:{settings.port}",
        "admin_listen": f"127.0.0.1:{settings.admin}" if settings.admin else "off",
        "admin_gui_listen": "off",
        "status_listen": "off",
        "anonymous_reports": "off",
        "log_level": "notice",
        "request_debug": "off",  # it would tell whoever asks from this machine how the gateway works
        "proxy_access_log": "off",
        "nginx_worker_processes": settings.nginx_workers,
        # More than one variable is written so (kong/templates/nginx.lua: the directive is env).
        "nginx_main_env": "; env ".join(VARIABLES),
        # A body that nginx holds in memory reaches the guard without a detour over the disk.
        "nginx_http_client_body_buffer_size": "1m",
        "nginx_http_client_max_body_size": "17m",
        "nginx_proxy_proxy_ignore_headers": IGNORED_HEADERS,
        **BUFFERS,
        "plugins": "bundled,mcp-guard,mcp-internal",
        "pluginserver_names": "mcp-guard",
        "pluginserver_mcp_guard_socket": socket,
        "pluginserver_mcp_guard_start_cmd": start,
        "pluginserver_mcp_guard_query_cmd": f"{server} --plugins {plugins} --dump mcp-guard",
    }
    if settings.answers:
        values["plugins"] = "bundled,mcp-guard,mcp-internal,mcp-answers"
        short = f"{short_folder()}/?.lua;" if settings.short else ""
        values["lua_package_path"] = f"{short}{lua_folder()}/?.lua;;"
    else:
        values["pluginserver_names"] = "mcp-guard,mcp-internal"
        values["pluginserver_mcp_internal_socket"] = socket
        values["pluginserver_mcp_internal_query_cmd"] = f"{server} --plugins {plugins} --dump mcp-internal"
    if os.geteuid() == 0:
        values["nginx_user"] = "root root"  # the runtime folder is its owner's alone
    return "".join(f"{name} = {value}\n" for name, value in values.items())


def start_gateway(kind: str, settings: GatewaySettings, environment: Mapping[str, str]) -> Child:
    """Start the gateway in the foreground of a child process and return it. It is not ready yet."""
    conf = settings.folder / "kong.conf"
    conf.write_text(kong_conf(settings), encoding="utf-8")
    command = [program("kong-devkit") if kind == "devkit" else "kong", "start", "-c", str(conf)]
    everything = {**environment, "KONG_NGINX_DAEMON": "off"}
    return Child(kind, command, everything, settings.folder / "gateway.log")
