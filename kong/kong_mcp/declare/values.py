"""Nodes held to the fields of the model: plain values, or every problem with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from kong_mcp.declare.model import fields_of
from kong_mcp.declare.nodes import Mapping, Node, Scalar, Sequence
from kong_mcp.declare.problems import nearest, shown

Report = Callable[[int, str, str], None]
"""Takes line, field and text of a problem."""

_WORDS: Final = {"str": "text", "int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
ANY_NUMBER: Final = (-(2**53), 2**53)
"""What every reader of numbers reads exactly, where a field says nothing else."""
_BOOLEANS: Final = {"true": True, "false": False}


def read(field: dict[str, Any], node: Node, where: str, report: Report) -> Any:
    """Return the value that a node holds, without defaults; None where a problem was reported for the whole of it."""
    if isinstance(node, Scalar) and "short" in field:
        node = Mapping(((Scalar(field["short"], "str", node.line), node),), node.line)
    if isinstance(node, Mapping) and "or" in field:
        field = field["or"]
    return _READERS[field["type"]](field, node, where, report)


def found(node: Node) -> str:
    """Return what stands there, in words."""
    if isinstance(node, Scalar):
        word = _WORDS.get(node.kind, f"a {node.kind}")
        return word if node.kind == "null" else f"{word}: {shown(node.text)}"
    return "a list" if isinstance(node, Sequence) else "a mapping"


def _wrong(node: Node, where: str, wanted: str, report: Report) -> None:
    if isinstance(node, Scalar) and node.kind == "null":
        report(node.line, where, f"found nothing; {wanted}, or remove the line")
    else:
        report(node.line, where, f"found {found(node)}; {wanted}")


def _string(field: dict[str, Any], node: Node, where: str, report: Report) -> str | None:
    words = field.get("one_of")
    wanted = f"write one of {', '.join(words)}" if words else field.get("say", "write text")
    if not isinstance(node, Scalar) or node.kind == "null":
        _wrong(node, where, wanted, report)
        return None
    if words:
        if node.text not in words:  # YAML 1.1 reads a bare off as false: the word itself is what counts
            report(node.line, where, f"found {shown(node.text)}; {nearest(node.text, words)}")
            return None
        return node.text
    if node.kind != "str":
        report(node.line, where, f"found {found(node)}, which is no text to YAML; write it in quotes")
        return None
    if refused := next((say for refuse, say in field.get("refuse", ()) if re.fullmatch(refuse, node.text)), None):
        report(node.line, where, refused)
    elif not node.text:
        report(node.line, where, f"found empty text; {wanted}")
    elif (pattern := field.get("pattern")) and re.fullmatch(pattern, node.text) is None:
        report(node.line, where, f"found {shown(node.text)}; {wanted}")
    else:
        return node.text
    return None


def _integer(field: dict[str, Any], node: Node, where: str, report: Report) -> int | None:
    least, most = field.get("between", ANY_NUMBER)
    value = node.whole if isinstance(node, Scalar) else None
    if value is None or not least <= value <= most:
        _wrong(node, where, f"write a whole number from {least} to {most}", report)
        return None
    return value


def _boolean(_field: dict[str, Any], node: Node, where: str, report: Report) -> bool | None:
    value = _BOOLEANS.get(node.text) if isinstance(node, Scalar) and node.kind == "bool" else None
    if value is None:
        _wrong(node, where, "write true or false", report)
    return value


def _array(field: dict[str, Any], node: Node, where: str, report: Report) -> list[Any] | None:
    if not isinstance(node, Sequence):
        _wrong(node, where, "write a list: [one, another], or one a line after a hyphen", report)
        return None
    if len(node.items) < field.get("len_min", 0):
        report(node.line, where, "found an empty list; write one item at least")
    values = [read(field["elements"], one, f"{where}[{at}]", report) for at, one in enumerate(node.items)]
    return [value for value in values if value is not None]


def _map(field: dict[str, Any], node: Node, where: str, report: Report) -> dict[str, Any] | None:
    if not isinstance(node, Mapping):
        _wrong(node, where, "write names with their values: name: value", report)
        return None
    return _given({key.text: read(field["values"], one, f"{where}.{key.text}", report) for key, one in node.entries})


def _record(field: dict[str, Any], node: Node, where: str, report: Report) -> dict[str, Any] | None:
    known = fields_of(field)
    if not isinstance(node, Mapping):
        _wrong(
            node, where, f"write a mapping of {', '.join(list(known)[:4])}{' ...' if len(known) > 4 else ''}", report
        )
        return None
    values = {}
    for key, one in node.entries:
        path = f"{where}.{key.text}" if where else key.text
        if key.text in known:
            values[key.text] = read(known[key.text], one, path, report)
        else:
            report(key.line, where, f"found the field {shown(key.text)}, which is none; {nearest(key.text, known)}")
    for name, inner in known.items():
        # Kong fills defaults in: what has one may be left out.
        needed = inner.get("required") or ("required_unless" in inner and node.find(inner["required_unless"]) is None)
        if needed and "default" not in inner and node.find(name) is None:
            report(node.line, where, f"found no {name}; write {name}: {_example(inner)}")
    return _given(values)


def _example(field: dict[str, Any]) -> str:
    example = field.get("examples", ["..."])[0]
    return json.dumps(example) if isinstance(example, list) else str(example)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in values.items() if one is not None}


def _any(_field: dict[str, Any], node: Node, where: str, report: Report) -> Any:
    """Return what decK would read, with the numbers and words of YAML that all readers read alike."""
    if isinstance(node, Sequence):
        return [_any({}, one, f"{where}[{at}]", report) for at, one in enumerate(node.items)]
    if isinstance(node, Mapping):
        return {key.text: _any({}, one, f"{where}.{key.text}", report) for key, one in node.entries}
    if node.kind == "str":
        return node.text
    if node.kind == "null" and node.text in {"null", "~", ""}:
        return None
    if node.kind == "bool" and node.text in _BOOLEANS:
        return _BOOLEANS[node.text]
    if node.whole is not None:
        return node.whole
    if node.kind == "float" and re.fullmatch(r"-?[0-9]+\.[0-9]+", node.text):
        return float(node.text)
    report(
        node.line, where, f"found {shown(node.text)}, which not every reader of YAML reads alike; write it in quotes"
    )
    return None


_READERS: Final[dict[str, Callable[[dict[str, Any], Node, str, Report], Any]]] = {
    "string": _string,
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "set": _array,
    "map": _map,
    "record": _record,
    "any": _any,
}


def line_of(node: Node, where: str) -> int:
    """Return the line of a field by its path, `rules[0].tools` say, or of the nearest thing around it."""
    line = node.line
    for name, index in re.findall(r"([A-Za-z0-9_-]+)|\[(\d+)\]", where):
        inner: Node | None = None
        if name and isinstance(node, Mapping):
            inner = node.find(name)
            line = next((key.line for key, _ in node.entries if key.text == name), line)
        elif index and isinstance(node, Sequence) and int(index) < len(node.items):
            inner = node.items[int(index)]
            line = inner.line
        if inner is None:
            return line
        node = inner
    return line
