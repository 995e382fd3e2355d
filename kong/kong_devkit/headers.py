"""An ordered multi-map of HTTP headers with nginx's and ngx.req's ways of looking names up.

Values are str decoded from UTF-8 with surrogateescape, so that any byte survives a round trip.
"""

from collections.abc import Iterable, Iterator

Value = str | list[str]


class Headers:
    """Header lines in the order of arrival; names compare without case."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._lines = [(name.lower(), name, value) for name, value in lines]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, value) for _, name, value in self._lines)

    def __contains__(self, name: str) -> bool:
        lower = name.lower()
        return any(key == lower for key, _, _ in self._lines)

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        lower = name.lower()
        return [value for key, _, value in self._lines if key == lower]

    def get(self, name: str) -> str | None:
        """The first value of a header, None where absent."""
        lower = name.lower()
        return next((value for key, _, value in self._lines if key == lower), None)

    def var(self, name: str) -> str | None:
        """``ngx.var["http_" .. name]``: hyphens of the *header* count as underscores, those of ``name`` do not.

        That is why ``Mcp-Session-Id`` finds nothing while ``mcp_session_id`` does; several lines are joined.
        """
        lower = name.lower()
        found = [value for key, _, value in self._lines if key.replace("-", "_") == lower]
        return ", ".join(found) if found else None

    def set(self, name: str, value: Value) -> None:
        """Replace all lines of a header; a list makes several lines, an empty list none."""
        values = value if isinstance(value, list) else [value]
        lower = name.lower()
        at = next((i for i, line in enumerate(self._lines) if line[0] == lower), len(self._lines))
        kept = [line for line in self._lines if line[0] != lower]
        self._lines = kept[:at] + [(lower, name, one) for one in values] + kept[at:]

    def remove(self, name: str) -> None:
        """Drop all lines of a header."""
        lower = name.lower()
        self._lines = [line for line in self._lines if line[0] != lower]

    def copy(self) -> "Headers":
        """An independent copy."""
        return Headers(self)

    def of_this_hop(self) -> frozenset[str]:
        """The names, in lower case, that ``Connection`` calls the business of this hop alone."""
        return frozenset(part.strip().lower() for one in self.values("connection") for part in one.split(","))

    def table(self, limit: int = 100) -> dict[str, Value]:
        """``ngx.req.get_headers(limit)``: lower-case names, lists for repeated ones, at most ``limit`` lines."""
        found: dict[str, Value] = {}
        for key, _, value in self._lines[:limit]:
            before = found.get(key)
            if before is None:
                found[key] = value
            elif isinstance(before, list):
                before.append(value)
            else:
                found[key] = [before, value]
        return found


def encode(text: str) -> bytes:
    """Give the bytes that a header or path stood for."""
    return text.encode("utf-8", "surrogateescape")


def decode(data: bytes) -> str:
    """Take wire bytes as text without losing any."""
    return data.decode("utf-8", "surrogateescape")
