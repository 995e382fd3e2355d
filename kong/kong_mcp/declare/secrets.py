"""Secrets in plain text, and what may stand in their place: a reference to a vault of Kong's, or a variable of decK's.

A server file is committed and read by many. What looks like a credential is refused and never shown: by its shape, by
the name of the field that holds it, or by the name of the header that a plugin is to add.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kong_mcp.declare.model import REFERENCE_PATTERN, VARIABLE_PATTERN
from kong_mcp.declare.nodes import Node, Scalar, Sequence
from mcp_core.query import is_secret
from mcp_core.scan import credentials

INSTEAD: Final = (
    "write {vault://VAULT/NAME} where Kong's documentation calls the field referenceable, "
    'elsewhere ${{ env "DECK_NAME" }}, which decK fills in'
)
_PLUGINS: Final = frozenset({"auth", "plugins"})
_NAME: Final = re.compile(
    r"(?:.*[_-])?(?:secrets?|passwords?|passwd|passphrase|tokens?|api[_-]?keys?|(?:private|access|secret)_keys?|credentials?|authorization)",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    r"(?P<name>(?:[a-z0-9]+[_-])*(?:authorization|cookie|secret|password|token|api[_-]?key|key|credentials?))\s*:(?P<value>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PRIVATE: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_REFERENCE: Final = re.compile(REFERENCE_PATTERN)
_VARIABLE: Final = re.compile(VARIABLE_PATTERN)
_WITHHELD: Final = re.compile(rf"\s*(?:(?:Bearer|Basic|Token)\s+)?(?:{REFERENCE_PATTERN}|{VARIABLE_PATTERN})\s*")
_NOT_REFERENCEABLE: Final = frozenset({"request-transformer", "response-transformer"})
"""Plugins whose schema dereferences nothing (kong/plugins/request-transformer/schema.lua): the words would be sent."""


def problems(node: Node) -> Iterator[tuple[int, str, str]]:
    """Yield line, field and sentence of each secret in plain text, and of each reference where it would not be read."""
    for where, plugin, scalar in _scalars(node, "", None):
        if (sentence := _sentence(where, plugin, scalar.text)) is not None:
            yield scalar.line, where, sentence


def _sentence(where: str, plugin: str | None, text: str) -> str | None:
    inside = where.partition("[")[0] in _PLUGINS and ".config" in where
    if "${{" in text and not (inside and _is_of_variables(text)):
        return (
            'found ${{ ... }}; in the configuration of auth and plugins ${{ env "DECK_NAME" }} is filled in, '
            "on one line and with a name that does not begin with DECK_MCP_; elsewhere write the value itself"
        )
    if plugin in _NOT_REFERENCEABLE and _REFERENCE.search(text):
        words = f"found a vault reference, which {plugin} does not read: it would send these words"
        return f'{words}; write ${{{{ env "DECK_NAME" }}}}'
    if _PRIVATE.search(text):
        return f"found a private key in plain text; {INSTEAD}"
    if _WITHHELD.fullmatch(text):
        return None
    name = re.sub(r"\[\d+\]$", "", where).rpartition(".")[2]
    if inside and text and _NAME.fullmatch(name) and not _is_no_secret(text):
        return f"found a secret in plain text; {INSTEAD}"
    header = _HEADER.fullmatch(text) if inside and where.endswith("]") else None
    if header and header["value"].strip() and not _WITHHELD.fullmatch(header["value"]):
        return f"found the value of {header['name']} in plain text; {INSTEAD}"
    if where.startswith("query."):
        if is_secret(where.removeprefix("query."), text):
            return "found a secret in plain text; write {vault://VAULT/NAME}, alone: " + '"{vault://env/weather-key}"'
        return None
    if re.fullmatch(r"replicas\[\d+\]", where) and {"@", "?"} & set(text):
        return None  # the model says what to do instead, and shows nothing of it either
    if credentials.find({"text": _VARIABLE.sub("", text)}):
        return f"found what looks like a credential in plain text; {INSTEAD}"
    return None


def _is_of_variables(text: str) -> bool:
    return "${{" not in _VARIABLE.sub("", text) and text.isprintable()


def _is_no_secret(text: str) -> bool:
    """Return whether a value of a field with a secret's name is a number, a word of YAML, or where to find one."""
    return text.isdecimal() or text in {"true", "false", "null", "~"} or re.match(r"https?://[^@]*$", text) is not None


def _scalars(node: Node, where: str, plugin: str | None) -> Iterator[tuple[str, str | None, Scalar]]:
    if isinstance(node, Scalar):
        yield where, plugin, node
    elif isinstance(node, Sequence):
        for at, one in enumerate(node.items):
            yield from _scalars(one, f"{where}[{at}]", plugin)
    else:
        name = node.find("name") if re.fullmatch(r"(?:auth|plugins)\[\d+\]", where) else None
        plugin = name.text if isinstance(name, Scalar) else plugin
        for key, one in node.entries:
            yield from _scalars(one, f"{where}.{key.text}" if where else key.text, plugin)
