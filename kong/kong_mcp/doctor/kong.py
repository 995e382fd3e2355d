"""Checks of Kong: its release, how it is told of the guard, and whether the guard's server is there for it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kong_devkit.errors import ConfigError
from kong_devkit.kongconf import decode_dump
from kong_mcp.doctor.finding import CheckResult, fail, ok, warn
from kong_mcp.doctor.place import Installation, as_user
from kong_mcp.share import plugins_folder
from kong_pluginserver import description, loader
from kong_pluginserver.probe import ask_for_schema
from mcp_kong.settings import KEYS_VARIABLE

GUARD: Final = "mcp-guard"
_PLUGINS: Final = "plugins = bundled,mcp-guard,mcp-internal,mcp-answers"
SECONDS: Final = 5.0
_DEFAULT: Final = (3, 9, 3)
_FLOOR: Final = (3, 9, 1)
_HOLES: Final = {
    (3, 9, 1): "it has six holes of nginx that 3.9.2 mends, and CVE-2026-49975, which 3.9.3 mends",
    (3, 9, 2): "it has CVE-2026-49975, which 3.9.3 mends",
}


def check_release(environment: Mapping[str, str]) -> CheckResult:
    """Say which Kong is on the PATH, and what is known of it."""
    program = shutil.which("kong", path=environment.get("PATH"))
    if program is None:
        return warn("kong", "there is no kong on the PATH", "run this on Kong's machine, or add Kong to the PATH")
    try:
        done = subprocess.run(  # noqa: S603 - Kong itself, no shell
            [program, "version"], capture_output=True, text=True, timeout=60, check=False, env=dict(environment)
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail("kong", f"`kong version` does not run: {error}", "install Kong again")
    return judge_release(done.stdout + done.stderr)


def judge_release(said: str) -> CheckResult:
    """Judge what `kong version` prints."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        return fail("kong", f"`kong version` says {said.strip()[:100]!r}", "install Kong again")
    release = (int(found[1]), int(found[2]), int(found[3]))
    seen, wanted = f"Kong {found[0]}", ".".join(map(str, _DEFAULT))
    if release[:2] != _DEFAULT[:2]:
        return fail("kong", f"{seen}, with which this is not tried", f"use Kong {wanted}")
    if release < _FLOOR:
        return fail("kong", f"{seen} is too old", f"use Kong {wanted}")
    if release in _HOLES:
        return warn("kong", f"{seen}: {_HOLES[release]}", f"use Kong {wanted}")
    return ok("kong", seen)


def check_plugins(place: Installation, conf: Path) -> CheckResult:
    """Say whether Kong loads the guard."""
    names = [one.strip().lower() for one in place.kong.get("pluginserver_names", "").split(",")]
    if not place.kong:
        return fail("kong.conf", f"there is no {conf}, nor a KONG_... variable", "name it: --conf FILE")
    if GUARD not in place.listed:
        return fail("kong.conf", f"`plugins` does not name {GUARD}", f"write: {_PLUGINS}")
    if GUARD not in names:
        return fail("kong.conf", f"`pluginserver_names` does not name {GUARD}", f"write: pluginserver_names = {GUARD}")
    if "mcp-internal" not in place.listed:
        return fail(
            "kong.conf", "`plugins` does not name mcp-internal, the sidecar's way to servers", f"write: {_PLUGINS}"
        )
    if KEYS_VARIABLE not in place.kong.get("nginx_main_env", ""):
        return fail(
            "kong.conf", f"nginx keeps {KEYS_VARIABLE} from mcp-internal", f"write: nginx_main_env = {KEYS_VARIABLE}"
        )
    if "mcp-answers" not in place.listed:
        return warn(
            "kong.conf",
            "calls take the way through the sidecar: mcp-answers is not among `plugins`",
            "add mcp-answers to `plugins`, and set lua_package_path (kong/kong.conf)",
        )
    return ok("kong.conf", f"{GUARD} and mcp-answers are loaded")


def check_start(place: Installation) -> CheckResult:
    """Say what a start command of Kong's does."""
    check = "start command"
    if place.start is None:
        return ok(check, "Kong has none: the plugin server runs beside it")
    user = place.nginx_user()
    try:
        program = shlex.split(place.start)[0]
    except (ValueError, IndexError):
        return fail(check, "it is no command", "remove it, and run the plugin server beside Kong")
    said = as_user(user, lambda: _may_run(program))
    if said is not None:
        return fail(
            check,
            f"{user.name}, nginx's user, cannot run {program} ({said}): Kong tries once a second, and says `exit 126`",
            f"install it where {user.name} may read, not below /root or /home; best run it beside Kong",
        )
    return warn(
        check,
        "with it Kong 3.9 answers 500 to GET / of its Admin API, so decK fails",
        "remove pluginserver_mcp_guard_start_cmd, and run the plugin server beside Kong (kong/systemd)",
    )


def _may_run(program: str) -> None:
    """Raise OSError unless this user may run a program, and the interpreter that its first line names."""
    with open(program, "rb") as file:  # noqa: PTH123 - a plain OSError for each reason
        first = file.readline(4096)
    if not os.access(program, os.X_OK):
        raise PermissionError(13, "it is not executable for this user")
    if first.startswith(b"#!"):
        interpreter = first[2:].split()[0].decode()
        if not os.access(interpreter, os.X_OK):
            raise PermissionError(13, f"its interpreter {interpreter} may not be run by this user")
        os.stat(interpreter)  # noqa: PTH116 - as above


def check_description(place: Installation) -> tuple[CheckResult, str | None]:
    """Run the query command; say whether what Kong is told is this release's. Return its mark too."""
    check, mend = "description", "kong-mcp unpack /opt/kong-mcp, then restart Kong"
    if place.query is None:
        return fail(
            check, "Kong is not told of mcp-guard", "set pluginserver_mcp_guard_query_cmd (kong/kong.conf)"
        ), None
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command, which Kong runs through a shell too
            place.query, shell=True, capture_output=True, text=True, timeout=60, check=False
        )
        told = decode_dump(GUARD, done.stdout)
    except (ConfigError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return fail(check, f"`{place.query}` prints no description of a plugin", mend), None
    schema: Any = told.get("Schema")
    mark = description.mark_in(schema) if isinstance(schema, dict) else None
    own = loader.load(plugins_folder() / f"{GUARD}.py").mark
    if told.get("Name") != GUARD or told["Protocol"] != description.PROTOCOL:
        return fail(check, f"`{place.query}` describes another plugin, or another protocol", mend), None
    if mark != own:
        return fail(check, "what Kong is told is of another release than this installation", mend), mark
    return ok(check, "what Kong is told is this release's"), mark


def check_socket(place: Installation, mark: str | None) -> Iterator[CheckResult]:
    """Say whether nginx's user reaches a plugin server at the socket, and whether it is the described one."""
    check, path, user = "socket", place.socket, place.nginx_user()
    start = "start the plugin server (systemctl start mcp-pluginserver), and see its log"
    try:
        mode = path.stat().st_mode
    except PermissionError:
        yield fail(check, f"this user may not look into {path.parent}", "run this as root, or as nginx's user")
        return
    except OSError as error:
        yield fail(check, f"{path}: {error.strerror}: every route is closed (500)", start)
        return
    if not stat.S_ISSOCK(mode):
        yield fail(check, f"{path} is no socket", "name the plugin server's socket in kong.conf, or remove the file")
        return
    said = as_user(user, lambda: _connect(path))
    if said is not None and said != "Permission denied":
        yield fail(check, f"{path}: {said}: nobody serves it", start)
        return
    if said is not None:
        yield fail(
            check,
            f"{user.name}, nginx's user, may not use {path}",
            f"run the plugin server as {user.name}, or give it --socket-group and its folder mode 0755",
        )
        return
    yield _served(check, path, mark)


def _connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(SECONDS)
        asking.connect(str(path))


def _served(check: str, path: Path, mark: str | None) -> CheckResult:
    try:
        schema = ask_for_schema(path, GUARD, SECONDS)
    except TimeoutError:
        return fail(check, f"{path}: it does not answer", "restart the plugin server; it is frozen, or the machine is")
    except (OSError, ValueError, LookupError):
        return fail(
            check, f"{path}: what answers is no plugin server", "name the plugin server's own socket in kong.conf"
        )
    if schema is None:
        return fail(check, f"the plugin server has no {GUARD}", "give it the right --plugins")
    if mark is not None and description.mark_in(schema) != mark:
        return fail(
            check,
            "the plugin server is of another release than what Kong is told: it refuses everything",
            "kong-mcp unpack /opt/kong-mcp, then restart the plugin server and Kong",
        )
    return ok(check, f"a plugin server answers at {path}")
