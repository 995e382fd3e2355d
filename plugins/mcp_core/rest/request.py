"""The HTTP request that a call of a REST tool becomes, and why some arguments make none.

Laws: arguments choose values, never the operation: no value adds a segment to the path or takes one away, however often
it is decoded on the way; none adds a header, a line or a parameter that holds a credential; nothing of the agent's own
request goes in.
Source: OpenAPI 3.0.3, Style Values; RFC 3986, sections 2.1 and 3.3; RFC 9110, section 5.5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import quote, unquote

from mcp_core.rest.arguments import MOST_DECODINGS, VARIABLE
from mcp_core.rest.members import MemberError, Members
from mcp_core.rest.tools import FORM_MEDIA, FormStyle, ParameterPlace, RestBody, RestParameter, RestTool
from mcp_core.rest.withheld import folded, is_withheld

MOST_TARGET: Final = 16_384
"""Characters of a request's path and query: half of what servers read of a request line, as a rule."""
_PARTS: Final = re.compile(r"\{[^{}]+\}|[^{}]+")
_LITERAL: Final = "%!$&'()*+,;=:@~"
"""What stands in a segment as it is (RFC 3986, section 3.3), and what is encoded already."""
_WIDE: Final = re.compile("%u[0-9a-f]{4}", re.IGNORECASE)
_FIRST: Final = re.compile(r"[\[.]")
_FIELD: Final = re.compile(r"[\x20-\x7e]*")
_BETWEEN: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
_MOST_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request. `target` is path and query, percent-encoded, below where the API is served."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class ArgumentError(ValueError):
    """Arguments make no request; the message names the argument, says what to do, and shows no value."""


def request_of(tool: RestTool, arguments: Mapping[str, Any]) -> RestRequest:
    """Return the request of a call. Raises ArgumentError."""
    given = [
        (parameter, arguments[parameter.argument])
        for parameter in tool.parameters
        if arguments.get(parameter.argument) is not None
    ]
    for rest_parameter, _ in given:
        if is_withheld(rest_parameter.place, rest_parameter.name, tool.withheld):
            raise ArgumentError(f"{rest_parameter.argument} is set by the gateway; leave it out")
    path = _path(
        tool,
        {
            rest_parameter.name: (rest_parameter, value)
            for rest_parameter, value in given
            if rest_parameter.place is ParameterPlace.PATH
        },
    )

    def pairs(place: ParameterPlace) -> list[str]:
        return [
            pair for parameter, value in given if parameter.place is place for pair in _query(tool, parameter, value)
        ]

    query = pairs(ParameterPlace.QUERY)
    headers = [("Accept", "application/json, */*;q=0.5")]
    headers += [
        (rest_parameter.name, _field(rest_parameter, _simple(rest_parameter, value)))
        for rest_parameter, value in given
        if rest_parameter.place is ParameterPlace.HEADER
    ]
    if cookies := pairs(ParameterPlace.COOKIE):
        headers.append(("Cookie", "; ".join(cookies)))
    _check_members(tool, arguments)
    body = None
    if tool.body is not None and tool.body.argument in arguments:
        body = _body(tool, tool.body, arguments[tool.body.argument])
        headers.append(("Content-Type", tool.body.media))
    target = f"{path}?{'&'.join(query)}" if query else path
    if len(target) > MOST_TARGET:
        raise ArgumentError("the arguments make a URL that is too long; send less")
    return RestRequest(tool.method, target, tuple(headers), body)


def _check_members(tool: RestTool, arguments: Mapping[str, Any]) -> None:
    """Refuse objects whose members a server could read as others. Raises ArgumentError."""
    schema = tool.item["inputSchema"]
    is_form = {parameter.argument: not parameter.as_json for parameter in tool.parameters}
    if tool.body is not None:
        is_form[tool.body.argument] = tool.body.media == FORM_MEDIA
    try:
        for argument, as_form in is_form.items():
            if isinstance(value := arguments.get(argument), dict | list):
                Members(schema, is_form=as_form).check(argument, value, schema["properties"].get(argument))
    except MemberError as error:
        raise ArgumentError(str(error)) from None


def _path(tool: RestTool, values: Mapping[str, tuple[RestParameter, Any]]) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ArgumentError(f"the path needs {found[1]}; give it")
        parameter, value = values[found[1]]
        text = _simple(parameter, value)
        _check_segment(parameter.argument, text)
        return quote(text, safe="")

    segments = tool.path.split("/")
    written = []
    for segment in segments:
        words = [
            VARIABLE.sub(put, parameter) if "{" in parameter else quote(parameter, safe=_LITERAL)
            for parameter in _PARTS.findall(segment)
        ]
        written.append("".join(words))
        if "{" in segment:  # two values that stand side by side may make what neither is
            _check_segment("a value", unquote(written[-1]))
    return "/".join(written)


def _check_segment(argument: str, text: str) -> None:
    """Refuse a value that some reader on the way would take for more than one segment, or for none."""
    if not text:
        raise ArgumentError(f"{argument} is empty, which would name another place of the API; give a value")
    seen = text
    for _ in range(MOST_DECODINGS):
        # Some servers fold wide and small forms of characters to ASCII (NFKC), or read %uXXXX.
        folded = normalize("NFKC", seen)
        if any(one in "/\\\ufffd" or not one.isprintable() for one in seen + folded) or _WIDE.search(seen):
            raise ArgumentError(f"{argument} stands in the path, where no slash, backslash or control character may be")
        if {seen.partition(";")[0], folded.partition(";")[0]} & {".", ".."}:
            raise ArgumentError(f"{argument} would name another place of the API; give the value itself")
        if (decoded := unquote(seen)) == seen:
            return
        seen = decoded
    raise ArgumentError(f"{argument} is encoded too many times; give the value itself")


def _text(value: Any) -> str:
    """Return a value as parameters write it (OpenAPI 3.0.3 leaves it to JSON for what is no string)."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _simple(parameter: RestParameter, value: Any) -> str:
    """Return a value in the style `simple`."""
    if parameter.as_json or not isinstance(value, dict | list):
        return _text(value)
    if isinstance(value, list):
        return ",".join(_part(parameter, inner) for inner in value)
    pairs = ((_part(parameter, name), _part(parameter, inner)) for name, inner in value.items())
    return ",".join(f"{name}={inner}" if parameter.explode else f"{name},{inner}" for name, inner in pairs)


def _part(parameter: RestParameter, value: Any) -> str:
    """Return a part of a value whose parts stand between commas, which says nothing of where another one begins."""
    if "," in (text := _text(value)):
        raise ArgumentError(f"{parameter.argument} is sent with commas between its parts; give parts without any")
    return text


def _query(tool: RestTool, parameter: RestParameter, value: Any) -> Iterator[str]:
    """Yield NAME=VALUE, percent-encoded, in the styles of queries and cookies."""
    name = _quoted(parameter.name)
    if parameter.as_json or not isinstance(value, dict | list):
        yield f"{name}={_quoted(_text(value))}"
    elif parameter.style == "deepObject":
        for key, text in _deep(parameter.name, value, 0):
            _check_key(tool, parameter, key, parts=False)
            yield f"{_quoted(key)}={_quoted(text)}"
    elif isinstance(value, list):
        texts = [_quoted(_text(inner)) for inner in value]
        if parameter.explode or not texts:
            yield from (f"{name}={text}" for text in texts)
        else:
            yield f"{name}={_BETWEEN.get(parameter.style, ',').join(texts)}"
    elif parameter.explode:
        for key, inner in value.items():
            _check_key(tool, parameter, key)
            yield f"{_quoted(key)}={_quoted(_text(inner))}"
    else:
        for part in (text for pair in value.items() for text in map(_text, pair)):
            if unquote(_BETWEEN.get(parameter.style, ",")) in part:
                raise ArgumentError(
                    f"{parameter.argument} has a part with the sign that stands between its parts; leave it out"
                )
        parts = [_quoted(_text(part)) for pair in value.items() for part in pair]
        yield f"{name}={_BETWEEN.get(parameter.style, ',').join(parts)}"


def _check_key(tool: RestTool, parameter: RestParameter, key: str, *, parts: bool = True) -> None:
    """Refuse a member that would be another parameter: a described one, or one that holds a credential."""
    # Readers of forms take `a[]`, `a[b]`, `a.b` and `a b` for `a`, or for `a_b`.
    spelt = {key, *re.split(r"[\[.]", key.strip())[:1]} if parts else {key}
    others = {
        folded(other.name) for other in tool.parameters if other is not parameter and other.place is parameter.place
    }
    if any(folded(name) in others or is_withheld(parameter.place, name, tool.withheld) for name in spelt):
        raise ArgumentError(f"{parameter.argument} has a member that is a parameter of its own; leave it out")


def _deep(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _MOST_DEPTH:
        raise ArgumentError("a value has too many levels; send fewer")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _deep(f"{name}[{key}]" if name else key, inner, depth + 1)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            is_deep = isinstance(inner, dict | list)
            yield from _deep(f"{name}[{at}]" if is_deep else f"{name}[]", inner, depth + 1)
    elif value is not None:
        yield name, _text(value)


def _field(parameter: RestParameter, text: str) -> str:
    if _FIELD.fullmatch(text) is None:
        raise ArgumentError(f"{parameter.argument} is sent in a header, where only printable ASCII may be")
    return text.strip()


def _body(tool: RestTool, body: RestBody, value: Any) -> bytes:
    if body.media == FORM_MEDIA:
        if not isinstance(value, dict):
            raise ArgumentError("body is sent as a form; give an object")
        # PHP, Rack and servlets read a form as if it stood in the query.
        if any((ParameterPlace.QUERY, folded(_FIRST.split(name)[0])) in tool.withheld for name in value):
            raise ArgumentError("body has a member that is set by the gateway; leave it out")
        written = dict(body.written)
        pairs = (pair for name, inner in value.items() for pair in _members(name, inner, written.get(name)))
        return "&".join(f"{_quoted(name)}={text}" for name, text in pairs).encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _members(name: str, value: Any, style: FormStyle | None) -> Iterator[tuple[str, str]]:
    """Yield name and encoded value of what one member of a form becomes (OpenAPI 3.0.3, Encoding Object)."""
    is_plain = isinstance(value, list) and not any(isinstance(inner, dict | list) for inner in value)
    if style is FormStyle.JSON and isinstance(value, dict | list):
        yield name, _quoted(_text(value))
    elif style is FormStyle.JOINED and is_plain:
        yield name, ",".join(_quoted(_text(inner)) for inner in value)
    elif style is not FormStyle.DEEP and is_plain:
        yield from ((name, _quoted(_text(inner))) for inner in value)
    else:  # what OpenAPI 3.0 leaves open, objects, is written as most forms have it
        yield from ((key, _quoted(text)) for key, text in _deep(name, value, 0))


def _quoted(text: str) -> str:
    return quote(text, safe="")
