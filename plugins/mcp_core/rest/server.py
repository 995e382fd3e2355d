"""What is declared of one REST API that is offered as an MCP server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ANSWER_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class RestServer:
    """One REST API.

    `description` is the file or the URL of its OpenAPI 3 description; `through` the URL below which Kong serves it;
    `headers` what every request brings, secrets among it; `operations` which ones are tools; `references` the documents
    that the description may refer to, as it names them; `seconds` how long one call may take;
    `secrets` what is taken out of its answers.
    """

    name: str
    description: str
    through: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    operations: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    seconds: int = ANSWER_SECONDS
    secrets: tuple[str, ...] = field(default=(), repr=False)


def is_url(description: str) -> bool:
    """Return whether a description is fetched, and not read from a file."""
    return description.startswith(("http://", "https://"))
