"""The arguments of one operation: its parameters and its body as one input schema, and nothing that is a credential.

Source: OpenAPI 3.0.3 and 3.1.0, Parameter Object, Request Body Object, Security Scheme Object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import unquote

from mcp_core.rest.document import LONGEST_NAME, ApiDocument, OpenApiError, text_of
from mcp_core.rest.schemas import SchemaMaker
from mcp_core.rest.tools import FORM_MEDIA, FormStyle, ParameterPlace, RestBody, RestParameter
from mcp_core.rest.withheld import Withheld, is_withheld

LONGEST_ARGUMENT: Final = 64
MOST_PARAMETERS: Final = 500
"""Parameters of one operation."""
_MOST_KINDS: Final = 64
"""Media types of one body."""
_LONGEST_PATH: Final = 2_000
BODY: Final = "body"
VARIABLE: Final = re.compile(r"\{([^{}/]+)\}")
"""A parameter in a path (OpenAPI 3.0.3, Paths Object)."""
MOST_DECODINGS: Final = 8
"""How often readers on the way are thought to decode what was encoded."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's or cookie's name (RFC 9110, section 5.6.2)."""
_STYLES: Final = {
    ParameterPlace.PATH: ("simple",),
    ParameterPlace.QUERY: ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    ParameterPlace.HEADER: ("simple",),
    ParameterPlace.COOKIE: ("form",),
}
"""Styles that are written; the first is what stands for none."""


def variables_of(path: str) -> set[str]:
    """Return the names in a path's braces. Raises OpenApiError where the path leads elsewhere than below the API."""
    if len(path) > _LONGEST_PATH:
        raise OpenApiError(f"has a path of more than {_LONGEST_PATH:,} characters")
    for segment in path.split("/"):
        literal = seen = VARIABLE.sub("x", segment)
        if {"{", "}"} & set(literal):
            raise OpenApiError("has a path with a brace that has no other")
        for _ in range(MOST_DECODINGS):
            if seen.partition(";")[0] in {".", ".."} or any(one in "/\\" or not one.isprintable() for one in seen):
                raise OpenApiError("has a path that leads to another place than it says")
            seen = unquote(seen)
    return set(VARIABLE.findall(path))


@dataclass(frozen=True, slots=True)
class Arguments:
    """What one operation is called with."""

    parameters: tuple[RestParameter, ...]
    body: RestBody | None
    schema: dict[str, Any]

    @classmethod
    def of(
        cls,
        document: ApiDocument,
        method: str,
        path: str,
        node: dict[str, Any],
        item: dict[str, Any],
        where: str,
        withheld: Withheld,
    ) -> Arguments:
        """Return the arguments of an operation. Raises OpenApiError where it cannot be called as it is described."""
        maker = SchemaMaker(document)
        variables = variables_of(path)
        described = [
            parameter
            for parameter in _parameters(document, (item, node), where, withheld)
            if parameter.place is not ParameterPlace.PATH or parameter.name in variables
        ]
        names = _argument_names(described)
        parameters, properties, required = [], {}, []
        for argument, one in zip(names, described, strict=True):
            parameters.append(_parameter(argument, one))
            schema = maker.of(one.schema, one.document)
            if about := text_of(one.node, "description", 400):
                schema = {**schema, "description": about}
            properties[argument] = schema
            if one.node.get("required") is True or one.place is ParameterPlace.PATH:
                required.append(argument)
        body, sent = _body(document, method, node, where), None
        if body is not None:
            entry, media, is_needed, document_of_body = body
            properties[BODY] = maker.of(entry.get("schema"), document_of_body)
            sent = RestBody(BODY, media, tuple(_written(entry)) if media == FORM_MEDIA else ())
            required += [BODY] if is_needed else []
        if missing := variables - {
            parameter.name for parameter in parameters if parameter.place is ParameterPlace.PATH
        }:
            raise OpenApiError(f"has {{{min(missing)}}} in its path, and no parameter of this name")
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        made["additionalProperties"] = False
        made = maker.finish(made)
        return cls(tuple(parameters), sent, made)


@dataclass(frozen=True, slots=True)
class _Described:
    """A parameter as it is described, in its document."""

    name: str
    place: ParameterPlace
    node: dict[str, Any]
    document: str
    schema: Any
    as_json: bool


def _parameters(
    document: ApiDocument, nodes: Sequence[Mapping[str, Any]], where: str, withheld: Withheld
) -> Iterator[_Described]:
    """Yield what may be set of the parameters of a path and of an operation, whose own take the place of the path's."""
    found: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}
    for node in nodes:
        entries = node.get("parameters")
        if isinstance(entries, list) and len(entries) > MOST_PARAMETERS:
            raise OpenApiError(f"has more than {MOST_PARAMETERS} parameters")
        for entry in entries if isinstance(entries, list) else ():
            document.count()
            one, inside = document.resolve(entry, where)
            if len(str(one.get("name"))) > LONGEST_NAME:
                raise OpenApiError(f"has a parameter whose name is longer than {LONGEST_NAME} characters")
            name, in_ = str(one.get("name")), str(one.get("in"))
            key = name.lower() if in_ == ParameterPlace.HEADER else name  # RFC 9110, section 5.1
            found[key, in_] = one, inside
    for (_, in_), (one, inside) in found.items():
        name = str(one.get("name"))
        if in_ not in set(ParameterPlace):
            raise OpenApiError(f"has a parameter in {in_[:40]!a}, which is no place of OpenAPI 3")
        place, is_needed = ParameterPlace(in_), one.get("required") is True
        if is_withheld(place, name, withheld):
            continue
        if place in {ParameterPlace.HEADER, ParameterPlace.COOKIE} and _TOKEN.fullmatch(name) is None:
            if is_needed:
                raise OpenApiError(f"needs a parameter whose name is none of a {place}")
            continue
        content = one.get("content")
        media = next(iter(content)) if isinstance(content, dict) and content else None
        if media is not None and not is_json(media):
            if is_needed:
                raise OpenApiError(f"needs a parameter as {media[:60]!a}")
            continue
        inner = content[media] if media is not None and isinstance(content, dict) else one
        yield _Described(
            name, place, one, inside, inner.get("schema") if isinstance(inner, dict) else None, media is not None
        )


def _parameter(argument: str, one: _Described) -> RestParameter:
    known = _STYLES[one.place]
    style = one.node.get("style", known[0])
    if style not in known:
        raise OpenApiError(f"has a parameter of style {str(style)[:40]!a}, which is not written here")
    explode = one.node.get("explode")
    return RestParameter(
        argument, one.name, one.place, style, explode if isinstance(explode, bool) else style == "form", one.as_json
    )


def _argument_names(described: Sequence[_Described]) -> list[str]:
    """Return a name for each parameter among the arguments: its own where that can be, and no other has it."""
    names: list[str] = []
    taken = {BODY}
    for one in described:
        wanted = re.sub(r"[^A-Za-z0-9_.-]+", "_", one.name).strip("_")[: LONGEST_ARGUMENT - 12] or one.place
        name, at = wanted, 1
        while name in taken:
            name = f"{wanted}_in_{one.place}" if at == 1 else f"{wanted}_{at}"
            at += 1
        taken.add(name)
        names.append(name)
    return names


def _body(
    document: ApiDocument, method: str, node: Mapping[str, Any], where: str
) -> tuple[dict[str, Any], str, bool, str] | None:
    """Return entry, media type, whether it is needed, and its document; None where nothing is sent."""
    if node.get("requestBody") is None:
        return None
    body, inside = document.resolve(node["requestBody"], where)
    if method == "GET":
        if body.get("required") is True:
            raise OpenApiError("needs a body, and GET has none")
        return None
    content = body.get("content")
    kinds = (
        [one for one in islice(content, _MOST_KINDS) if len(one) < LONGEST_NAME] if isinstance(content, dict) else []
    )
    media = next((kind for kind in kinds if is_json(kind)), None)
    media = media or next((kind for kind in kinds if bare(kind) == FORM_MEDIA), None)
    if media is None or not isinstance(content, dict):
        if body.get("required") is True:
            raise OpenApiError(f"needs a body of {', '.join(kinds[:3])[:120]!a}; JSON and forms are sent")
        return None
    entry = content[media] if isinstance(content[media], dict) else {}
    return entry, "application/json" if bare(media) == "*/*" else bare(media), body.get("required") is True, inside


def _written(entry: Mapping[str, Any]) -> Iterator[tuple[str, FormStyle]]:
    """Yield the members of a form whose encoding says how they are written."""
    encoding = entry.get("encoding")
    for name, one in islice(encoding.items(), MOST_PARAMETERS) if isinstance(encoding, dict) else ():
        if not isinstance(one, dict):
            continue
        if one.get("style") == FormStyle.DEEP:
            yield name, FormStyle.DEEP
        elif isinstance(media := one.get("contentType"), str) and bare(media) == FormStyle.JSON:
            yield name, FormStyle.JSON
        elif one.get("explode") is False:
            yield name, FormStyle.JOINED


def bare(media: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return media.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """Return whether a media type is JSON's, or any (RFC 6839, section 3.1)."""
    return bare(media) in {"application/json", "text/json", "*/*"} or bare(media).endswith("+json")
