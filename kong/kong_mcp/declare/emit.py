"""A decK state as text that people read in a review: block style, sorted, one thing a line, a word above each part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from kong_devkit.render_text import PlainDumper
from kong_mcp.declare.entities import LEGEND
from kong_mcp.declare.render import FORMAT, DeckState

_VARIABLE: Final = re.compile(r'\$\{\{ env "(DECK_[A-Za-z0-9_]+)" \}\}')
_FIRST: Final = ("name", "username", "target", "id", "tags")
_LAST: Final = ("plugins", "routes", "healthchecks", "targets")
_SECTIONS: Final = ("certificates", "ca_certificates", "services", "upstreams", "plugins", "consumers")
_WIDE: Final = 1 << 30
"""No line is folded: decK looks for its variables in lines."""

Record = dict[str, Any]


def variables(text: str) -> list[str]:
    """Return the names of the variables that decK fills in, sorted."""
    return sorted(set(_VARIABLE.findall(text)))


def yaml_text(value: Any) -> str:
    """Return any value as YAML in block style.

    Letters stand as they are, unless a character is among them that does not print: servers choose names, and no
    terminal and no review shall obey one. Then everything but ASCII is escaped.
    """
    text = _dumped(value, as_written=True)
    return text if all(line.isprintable() for line in text.split("\n")) else _dumped(value, as_written=False)


def _dumped(value: Any, *, as_written: bool) -> str:
    return str(
        yaml.dump(
            value,
            Dumper=PlainDumper,
            sort_keys=False,
            allow_unicode=as_written,
            width=_WIDE,
            default_flow_style=False,
        )
    )


def state_text(state: DeckState) -> str:
    """Return the text of a state. The same state gives the same bytes."""
    body = "".join(_body(state))
    return "".join(f"# {line}".rstrip() + "\n" for line in _header(state, variables(body))) + body


def _header(state: DeckState, needed: list[str]) -> Iterator[str]:
    yield "decK state of MCP servers, written by `kong-mcp deck render`. Change the server files, then render again."
    yield ""
    yield from LEGEND.splitlines()
    yield ""
    yield f"Everything here is tagged {state.tag}; by select_tags a sync leaves alone whatever is not."
    if needed:
        yield f"decK fills in, from the environment: {', '.join(needed)}."


def _body(state: DeckState) -> Iterator[str]:
    info: Record = {"select_tags": [state.tag]}
    if state.defaults:
        info["defaults"] = state.defaults
    yield f'_format_version: "{FORMAT}"\n\n'
    yield yaml_text({"_info": info})
    yield "\n_plugin_configs:\n"
    for name in sorted(state.plugin_configs):
        yield _comment(state, "_plugin_configs", name, "  ")
        yield _indented(yaml_text({name: state.plugin_configs[name]}))
    for kind in (*_SECTIONS, *sorted(state.sections.keys() - set(_SECTIONS))):
        if state.sections.get(kind):
            yield f"\n{kind}:\n"
        for entity in state.sections.get(kind, ()):
            yield _comment(state, kind, str(entity.get("name")), "")
            yield yaml_text([_ordered(entity)])


def _comment(state: DeckState, kind: str, name: str, indent: str) -> str:
    about = state.about.get((kind, name))
    return f"{indent}# {about}\n" if about else ""


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" if line else "\n" for line in text.split("\n")[:-1])


def _ordered(value: Any) -> Any:
    """Return an entity with its name first and what is in it last."""
    if not isinstance(value, dict):
        return [_ordered(one) for one in value] if isinstance(value, list) else value
    between = [name for name in value if name not in _FIRST and name not in _LAST]
    order = [name for name in (*_FIRST, *between, *_LAST) if name in value]
    return {name: value[name] if name == "config" else _ordered(value[name]) for name in order}
