"""What the sidecar is told about the second reader: where it is, which model, and how much it may be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MOST_DAILY: Final = 100_000


@dataclass(frozen=True)
class SecondReaderSettings:
    """Without `second_url` nobody is asked. `second_timeout` is in seconds; `second_daily` are questions in a day."""

    second_url: str | None = None
    second_model: str = ""
    second_key: str = field(default="", repr=False)
    second_timeout: float = 30.0
    second_daily: int = 500

    def problem(self, store: str | None) -> str | None:
        """Return what is missing where one setting needs another. `store` is the store's address, if there is one."""
        if self.second_url is None:
            return None
        if not self.second_model:
            return "MCP_SIDECAR_SECOND_READER_MODEL is not set: the second reader is asked by the name of a model"
        if store is None:
            return (
                "MCP_SIDECAR_STORE is not set: the second reader reads what is in the store, and keeps its words there"
            )
        return None


def _url(text: str) -> str:
    wanted = "write the URL that completions are posted to, such as http://127.0.0.1:11434/v1/chat/completions"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(wanted) from None
    extra = url.fragment or "@" in url.netloc or port == 0
    if url.scheme not in ("http", "https") or not url.hostname or extra or not text.isascii() or " " in text:
        raise ValueError(wanted)
    return text


def _model(text: str) -> str:
    if not 1 <= len(text) <= 200 or not text.isprintable():
        raise ValueError("write the name of the model, as the URL knows it")
    return text


def _key(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("write the key that is sent as bearer token: visible ASCII characters")
    return text


def _timeout(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 600:
        raise ValueError("write a number of seconds from 0.1 to 600")
    return value


def _daily(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
    if not 3 <= value <= MOST_DAILY:
        raise ValueError(f"write a number of questions from 3 to {MOST_DAILY}")
    return value


SECOND_VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "MCP_SIDECAR_SECOND_READER_URL": ("second_url", _url),
    "MCP_SIDECAR_SECOND_READER_MODEL": ("second_model", _model),
    "MCP_SIDECAR_SECOND_READER_KEY": ("second_key", _key),
    "MCP_SIDECAR_SECOND_READER_TIMEOUT": ("second_timeout", _timeout),
    "MCP_SIDECAR_SECOND_READER_DAILY": ("second_daily", _daily),
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""
