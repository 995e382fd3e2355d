"""Renders decK files as one declarative file that a Kong without a database accepts.

decK merges its files, and applies ``_info.defaults``, ``_plugin_configs`` and the environment; Kong knows none of these
and refuses the fields. This does the same where decK is not installed, and is compared with decK by the tests. It fills
in only what the files say: defaults of Kong's own are left to Kong.

Source: decK 1.64 (``deck file render``), Kong 3.9.1 (kong/db/schema/others/declarative_config.lua).
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kong_devkit.errors import ConfigError
from kong_devkit.render_text import files_of, read

FORMAT_VERSION: Final = "3.0"
_DEFAULTED: Final[Mapping[str, str]] = {
    "services": "service",
    "routes": "route",
    "upstreams": "upstream",
    "targets": "target",
}
_NAMED_BY: Final[Mapping[str, str]] = {"consumers": "username", "certificates": "id", "snis": "name"}
Record = dict[str, Any]


def render(paths: Sequence[Path], env: Mapping[str, str]) -> Record:
    """Merge decK files into one declarative document of format 3.0.

    Args:
        paths: files, or directories searched for ``.yaml``, ``.yml`` and ``.json``.
        env: where ``${{ env "DECK_NAME" }}`` finds its value.

    Returns:
        The document, ready to be written as YAML or JSON. Entities keep the order in which they were given.

    Raises:
        ConfigError: a file does not fit; the message names it and says what to do.
    """
    if not paths:
        raise ConfigError("nothing to render: name at least one file or directory")
    merged: Record = {}
    defaults: Record = {}
    shared: Record = {}
    for path in (file for given in paths for file in files_of(given)):
        document = read(path, env)
        _take_version(path, document)
        _take_new(path, "_info.defaults", _defaults_of(path, document), defaults)
        _take_new(path, "_plugin_configs", _mapping(path, document.pop("_plugin_configs", None)), shared)
        _append(path, document, merged)
    _refuse_twins(merged)
    _fill(merged, defaults, shared)
    return {"_format_version": FORMAT_VERSION, **merged}


def _take_version(path: Path, document: Record) -> None:
    version = document.pop("_format_version", None)
    if version != FORMAT_VERSION:
        raise ConfigError(f'{path}: _format_version must be the string "{FORMAT_VERSION}", not {version!r}')


def _defaults_of(path: Path, document: Record) -> Record:
    info = _mapping(path, document.pop("_info", None))
    defaults = _mapping(path, info.pop("defaults", None))
    info.pop("select_tags", None)  # for a sync, which this is none of; decK drops them too
    if info:
        raise ConfigError(f"{path}: _info.{min(info)} cannot be rendered here; use decK, or remove it")
    unknown = defaults.keys() - set(_DEFAULTED.values())
    if unknown:
        raise ConfigError(
            f"{path}: _info.defaults.{min(unknown)} is not one of service, route, upstream, target "
            "(plugins take theirs from _plugin_configs)"
        )
    return defaults


def _mapping(path: Path, value: Any) -> Record:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: _info, _info.defaults and _plugin_configs must be mappings")
    return value


def _take_new(path: Path, where: str, given: Record, known: Record) -> None:
    for name, value in given.items():
        if name in known:
            raise ConfigError(f"{path}: {where}.{name} was given by another file; keep it in one")
        known[name] = _mapping(path, value)


def _append(path: Path, document: Record, merged: Record) -> None:
    for kind, entities in document.items():
        if kind.startswith("_"):
            raise ConfigError(f"{path}: {kind} cannot be rendered here; use decK, or remove it")
        if not isinstance(entities, list) or not all(isinstance(entity, dict) for entity in entities):
            raise ConfigError(f"{path}: {kind} must be a list of mappings")
        merged.setdefault(kind, []).extend(entities)


def _refuse_twins(merged: Record) -> None:
    for kind, entities in merged.items():
        field = _NAMED_BY.get(kind, "name")
        seen: set[str] = set()
        for name in (entity[field] for entity in entities if field in entity and kind != "plugins"):
            if name in seen:
                raise ConfigError(f"two {kind} are called {name}; rename one")
            seen.add(name)


def _fill(holder: Record, defaults: Record, shared: Record) -> None:
    """Apply defaults and shared plugin settings to the entities in a holder, and to theirs."""
    for kind, entities in holder.items():
        if kind in {"config", "tags"} or not isinstance(entities, list):
            continue
        for entity in entities:
            if not isinstance(entity, dict):
                continue
            if kind == "plugins":
                _share(entity, shared)
            else:
                _under(entity, defaults.get(_DEFAULTED.get(kind, ""), {}))
                _fill(entity, defaults, shared)


def _share(plugin: Record, shared: Record) -> None:
    source = plugin.pop("_config", None)
    if source is None:
        return
    if source not in shared:
        known = ", ".join(sorted(shared)) or "none"
        raise ConfigError(f"plugin {plugin.get('name')}: no _plugin_configs.{source}; there are: {known}")
    plugin["config"] = plugin.get("config") or {}
    _under(plugin["config"], shared[source])


def _under(entity: Record, defaults: Record) -> None:
    """Give an entity what it leaves open; what it says itself stays, at every depth."""
    for name, value in defaults.items():
        own = entity.get(name)
        if isinstance(own, dict) and isinstance(value, dict):
            _under(own, value)
        elif own is None:
            entity[name] = copy.deepcopy(value)
