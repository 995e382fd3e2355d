"""Where an installation is: Kong's settings, the environments of plugin server and sidecar, and who nginx's user is."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kong_devkit.errors import ConfigError, unreadable
from kong_devkit.kongconf import parse

PREFIX: Final = "/usr/local/kong"
_SERVER: Final = "pluginserver_mcp_guard"


class PlaceError(Exception):
    """A file cannot be read; the message names it."""


@dataclass(frozen=True, slots=True)
class User:
    """A user by number, with all groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Installation:
    """Kong's settings by name, as Kong takes them: its environment before its file. The rest are environments."""

    kong: Mapping[str, str]
    guard: Mapping[str, str]
    sidecar: Mapping[str, str]

    @property
    def socket(self) -> Path:
        """The plugin server's socket."""
        prefix = self.kong.get("prefix", PREFIX)
        return Path(self.kong.get(f"{_SERVER}_socket") or f"{prefix}/mcp-guard.socket")

    @property
    def query(self) -> str | None:
        """The command that tells Kong of the plugin."""
        return self.kong.get(f"{_SERVER}_query_cmd") or None

    @property
    def start(self) -> str | None:
        """The command by which Kong would start the plugin server."""
        return self.kong.get(f"{_SERVER}_start_cmd") or None

    @property
    def listed(self) -> frozenset[str]:
        """The plugins that Kong loads."""
        return frozenset(one.strip() for one in self.kong.get("plugins", "bundled").split(","))

    def nginx_user(self) -> User:
        """Return who Kong's workers run as: `nginx_user`, by default kong, and nobody where there is no such user."""
        if os.geteuid() != 0:  # nginx takes another user only when root starts it
            return _user(pwd.getpwuid(os.geteuid()))
        names = (self.kong.get("nginx_user") or "kong kong").split()
        try:
            found = _user(pwd.getpwnam(names[0]))
            return found if len(names) < 2 else User(found.name, found.uid, grp.getgrnam(names[1]).gr_gid, found.groups)
        except KeyError:
            return _user(pwd.getpwnam("nobody"))


def read_place(conf: Path, guard: Path, sidecar: Path, environment: Mapping[str, str]) -> Installation:
    """Read kong.conf, and the environment files of the services; one that is not there is the environment itself.

    Raises:
        PlaceError: a file is there and cannot be read.
    """
    try:
        values = parse(conf.read_text(encoding="utf-8")) if conf.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise PlaceError(f"{conf}: {unreadable(error)}") from None
    except ConfigError as error:
        raise PlaceError(f"{conf}: {error}") from None
    own = {name[5:].lower(): value for name, value in environment.items() if name.startswith("KONG_")}
    return Installation({**values, **own}, read_environment(guard, environment), read_environment(sidecar, environment))


def read_environment(path: Path, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of a file of NAME=VALUE lines (systemd's EnvironmentFile), else those of `environment`.

    Raises:
        PlaceError: the file is there and cannot be read.
    """
    try:
        if not path.exists():
            return environment
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PlaceError(f"{path}: {unreadable(error)}") from None
    pairs = [line.partition("=") for line in map(str.strip, lines) if line and line[0] not in "#;"]
    return {name.strip(): "".join(shlex.split(value)) for name, _, value in pairs}


def as_user(user: User, act: Callable[[], object]) -> str | None:
    """Do something in a child process as another user; return what the system said against it, None if it worked.

    Not a new program: what this user may read or run is not what `user` may.
    """
    if os.geteuid() != 0 or user.uid == 0:
        return _tried(act)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(user.groups)
            os.setgid(user.gid)
            os.setuid(user.uid)
            os.write(writer, (_tried(act) or "").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said or None


def _tried(act: Callable[[], object]) -> str | None:
    try:
        act()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _user(entry: pwd.struct_passwd) -> User:
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))
