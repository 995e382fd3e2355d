"""What is known of one REST operation that is a tool: where its arguments go, and the tool as agents are shown it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

FORM_MEDIA: Final = "application/x-www-form-urlencoded"


class ParameterPlace(StrEnum):
    """Where a parameter goes (OpenAPI 3.0.3, Parameter Object, `in`)."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class RestParameter:
    """One parameter: `argument` is its name among the tool's arguments, `name` what the API calls it.

    `as_json` says that its value is sent as JSON (Parameter Object, `content`).
    """

    argument: str
    name: str
    place: ParameterPlace
    style: str
    explode: bool
    as_json: bool = False


class FormStyle(StrEnum):
    """How a member of a form is written (OpenAPI 3.0.3, Encoding Object) where a list is not its name, repeated."""

    DEEP = "deepObject"
    JOINED = "form without explode"
    JSON = "application/json"


@dataclass(frozen=True, slots=True)
class RestBody:
    """A request's body: the argument that holds it, and its media type.

    `written` says how members of a form are written that are not by their names alone: in which style.
    """

    argument: str
    media: str
    written: tuple[tuple[str, FormStyle], ...] = ()


@dataclass(frozen=True, slots=True)
class RestTool:
    """An operation as a tool. `item` is the tool as it is listed.

    `withheld` are parameters, by place and folded name, that no argument may set: credentials are Kong's.
    """

    name: str
    method: str
    path: str
    parameters: tuple[RestParameter, ...]
    body: RestBody | None
    item: Mapping[str, Any] = field(repr=False)
    withheld: frozenset[tuple[ParameterPlace, str]] = frozenset()
