"""Plugin files: found, loaded and held to what Kong will demand of them later, so that a mistake stops the start.

A plugin file is a plain kong-pdk plugin: `Schema`, `version`, `priority`, `class Plugin`. More names are known here:

    refusal = (status, headers, body)   what the client gets when the plugin fails; a 503 in JSON otherwise
    unreadable = (status, headers, body)  what it gets for text that is not UTF-8, a header's say; else as `refusal`
    buffers_responses = True            needed beside a `response` phase: Kong buffers every response for it
    prefetch, unawaited                 which PDK calls are made ahead or not waited for, see call_hints
    between_events = function           called without arguments in every worker before it serves what has come, and
                                        several times a second while nothing comes: for work that must not take its
                                        time from an event's deadline. It is called often, so it must mostly return at
                                        once; what it raises is logged
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MethodDescriptorType, ModuleType
from typing import Any, Final

from kong_pluginserver import call_hints, description
from kong_pluginserver.errors import PluginServerError, UnfitError
from kong_pluginserver.pdk import exit_frames
from kong_pluginserver.whole import exit_members

PHASES: Final = ("certificate", "rewrite", "access", "response", "preread", "log")
_SHORTEST_DESCRIPTION: Final = 10
_LONGEST_DESCRIPTION: Final = 500
_REFUSAL: Final = (
    503,
    {"Content-Type": "application/json; charset=utf-8"},
    b'{"message":"The request was refused because a plugin could not decide on it."}',
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as Kong gets it for an event of its own (`frames`), and in a verdict (`members`), see whole."""

    frames: bytes
    members: list[Any]


def _ready(status: int, headers: dict[str, str], body: bytes) -> Refusal:
    return Refusal(exit_frames(status, body, headers), exit_members(status, body, headers))


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """One loaded plugin file; refusals and what is to be prefetched in each phase are ready to send."""

    name: str
    cls: type
    version: str
    priority: int
    schema: list[dict[str, Any]]
    phases: tuple[str, ...]
    refusal: Refusal
    unreadable: Refusal
    prefetch: dict[str, tuple[bytes, ...]]
    unawaited: frozenset[str]
    between_events: Callable[[], Any] | None = None

    @property
    def mark(self) -> str:
        """The field by which Kong shows that it has this description."""
        return description.mark(self.phases, self.priority, self.schema)

    @property
    def is_compiled(self) -> bool:
        """Whether its phases are methods of an extension module."""
        return all(isinstance(getattr(self.cls, phase), MethodDescriptorType) for phase in self.phases)

    def info(self) -> dict[str, Any]:
        """Return what Kong wants to know of the plugin, as it stands in the dump."""
        return {
            "Name": self.name,
            "Phases": list(self.phases),
            "Priority": self.priority,
            "Version": self.version,
            "Schema": description.table(self.name, self.mark, self.schema),
        }


DEFAULT_REFUSAL: Final = _ready(*_REFUSAL)


def load_all(directory: Path) -> dict[str, LoadedPlugin]:
    """Return the plugins of `directory` by name.

    Raises:
        PluginServerError: one of them is not fit to be served, or there is none.
    """
    if not directory.is_dir():
        raise PluginServerError(f"{directory}: no such directory; --plugins names the directory of the plugin files")
    files = sorted(
        path for path in directory.iterdir() if path.suffix == ".py" and path.name[0] != "_" and path.is_file()
    )
    if not files:
        raise PluginServerError(f"{directory}: no plugin file (*.py) in it; --plugins names the wrong directory")
    return {path.stem: load(path) for path in files}


def load(path: Path) -> LoadedPlugin:
    """Return the plugin in `path`.

    Raises:
        PluginServerError: the file is missing, does not load, or is not fit to be served.
    """
    if not path.is_file():
        raise PluginServerError(f"{path}: no such plugin file")
    module = _execute(path)
    try:
        return _checked(path.stem, module)
    except UnfitError as unfit:
        raise PluginServerError(f"{path}: {unfit}") from None


def dump(plugins: list[LoadedPlugin]) -> str:
    """Return the document that Kong's query command reads."""
    return json.dumps(
        {"Protocol": description.PROTOCOL, "Plugins": [plugin.info() for plugin in plugins]}, allow_nan=False
    )


@contextlib.contextmanager
def stdout_on_stderr() -> Iterator[int]:
    """Let everything that is printed meanwhile, by child processes too, go to standard error.

    Yields:
        A descriptor of the real standard output, open as long as the context.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    try:
        yield real
    finally:
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)


def _execute(path: Path) -> ModuleType:
    directory = str(path.parent.resolve())
    if directory not in sys.path:
        sys.path.append(directory)
    # A private name, so that a plugin file called json.py is never what `import json` finds.
    name = "_kong_plugin_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginServerError(f"{path}: Python cannot load this file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # noqa: BLE001 - a plugin file may end in anything, SystemExit too
        where = next((f for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(path)), None)
        line = (
            f" (line {where.lineno})" if where else f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        )
        raise PluginServerError(f"{path}: does not load{line}: {type(error).__name__}: {error}") from None
    return module


def _checked(name: str, module: ModuleType) -> LoadedPlugin:
    for needed in ("Plugin", "Schema", "version", "priority"):
        if not hasattr(module, needed):
            raise UnfitError(f"lacks `{needed}`")
    cls, schema, version, priority = module.Plugin, module.Schema, module.version, module.priority
    if not isinstance(cls, type):
        raise UnfitError("`Plugin` must be a class")
    if not isinstance(schema, list):
        raise UnfitError("`Schema` must be a list of fields, each a dict of one name and its definition")
    if not isinstance(version, str):
        raise UnfitError('`version` must be a string such as "1.0.0"')
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise UnfitError("`priority` must be an integer")
    phases = tuple(phase for phase in PHASES if hasattr(cls, phase))
    if not phases:
        raise UnfitError(f"`Plugin` has no phase; write at least one of the methods {', '.join(PHASES)}")
    if "response" in phases and getattr(module, "buffers_responses", False) is not True:
        raise UnfitError(
            "`Plugin` has an attribute `response`: Kong would buffer every response of its routes. "
            "Rename it, or set `buffers_responses = True` in the module if that is meant"
        )
    _check_descriptions(schema, "Schema")
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UnfitError(f"`Schema` is no JSON: {error}") from None
    prefetch, unawaited = call_hints.prefetched(module, phases), call_hints.unawaited(module)
    refusal = _refusal(module, "refusal", DEFAULT_REFUSAL)
    unreadable = _refusal(module, "unreadable", refusal)
    between = getattr(module, "between_events", None)
    if between is not None and not callable(between):
        raise UnfitError("`between_events` must be a function without arguments")
    return LoadedPlugin(name, cls, version, priority, schema, phases, refusal, unreadable, prefetch, unawaited, between)


def _check_descriptions(node: Any, where: str) -> None:
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check_descriptions(item, f"{where}[{index}]")
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "description" and isinstance(value, str):
                # Kong counts bytes, people count characters: it must be right for both.
                if len(value) < _SHORTEST_DESCRIPTION or len(value.encode()) > _LONGEST_DESCRIPTION:
                    raise UnfitError(f"{where}: a description must have 10 to 500 characters, not {len(value)}")
            else:
                _check_descriptions(value, f"{where}.{key}")


def _refusal(module: ModuleType, name: str, default: Refusal) -> Refusal:
    given = getattr(module, name, None)
    if given is None:
        return default
    match given:
        case (int(status), dict(headers), bytes(body)) if 400 <= status <= 599 and all(
            isinstance(name, str) and isinstance(value, str) for name, value in headers.items()
        ):
            try:
                return _ready(status, headers, body)
            except UnicodeDecodeError:
                pass
    raise UnfitError(f"`{name}` must be (status from 400 to 599, dict of header names and values, text as bytes)")
