"""The result of a tool that an API's answer becomes (2025-11-25, server/tools, tool result)."""

from __future__ import annotations

import base64
import re
from http import HTTPStatus
from typing import Any, Final

from mcp_core.rest.arguments import bare, is_json
from mcp_core.rest.redaction import NOT_SHOWN, Redaction

LONGEST_ERROR: Final = 4_000
"""Characters of an error's body that a model is shown."""
_TEXT: Final = frozenset({"application/xml", "application/yaml", "application/x-yaml", "application/javascript"})
_ENCODINGS: Final = frozenset({"iso-8859-1", "latin1", "iso-8859-15", "windows-1252", "utf-16", "utf-16le", "utf-16be"})
"""Encodings of texts that are read beside UTF-8; what says another one is read as UTF-8."""
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9._-]{1,40})\"?", re.IGNORECASE)
_KINDS: Final = ("image", "audio")
_NO_SECRETS: Final = Redaction()


def result_of(
    status: int, media: str, body: bytes, wait: str = "", redaction: Redaction = _NO_SECRETS
) -> dict[str, Any]:
    """Return the result of a call whose whole answer is this. `wait` is its Retry-After (RFC 9110, section 10.2.3)."""
    kind = bare(media)
    is_text = is_json(kind) or kind.startswith("text/") or kind in _TEXT or kind.endswith("+xml") or not kind
    text = redaction.clean(_decoded(body, media)) if is_text else ""
    if not 200 <= status < 300:
        wait = redaction.clean(wait)
        later = f" Call again in {wait} seconds." if wait.isascii() and wait.isdecimal() and len(wait) < 8 else ""
        return failed(_error(status, text) + later)
    if not body:
        return _of({"type": "text", "text": f"HTTP {status} {_phrase(status)}".rstrip()})
    if is_text:
        return _of({"type": "text", "text": text})
    kind = redaction.clean(kind)
    if redaction.is_in(body):
        return failed(NOT_SHOWN)
    if (sort := kind.partition("/")[0]) in _KINDS:
        return _of({"type": sort, "data": base64.b64encode(body).decode(), "mimeType": kind})
    return _of({"type": "text", "text": f"The answer is {len(body):,} bytes of {ascii(kind)[1:-1]}, and is not shown."})


def _decoded(body: bytes, media: str) -> str:
    """Return a text's characters by its charset (RFC 9110, section 8.3.2), where that is one that is read."""
    said = _CHARSET.search(media)
    encoding = said[1].lower() if said else ""
    return body.decode(encoding if encoding in _ENCODINGS else "utf-8", errors="replace")


def failed(text: str) -> dict[str, Any]:
    """Return the result of a call that failed: the model reads it, and may mend the call."""
    return {**_of({"type": "text", "text": text}), "isError": True}


def _of(content: dict[str, Any]) -> dict[str, Any]:
    return {"content": [content]}


def _error(status: int, text: str) -> str:
    said = f"The API answered HTTP {status} {_phrase(status)}".rstrip()
    if 300 <= status < 400:
        return f"{said}: it points to another place, which is not followed."
    text = text.strip()
    if len(text) > LONGEST_ERROR:
        text = f"{text[:LONGEST_ERROR]} ... ({len(text):,} characters)"
    return f"{said}:\n{text}" if text else f"{said}."


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
