"""Carries out probes: one HTTP request after the other to one replica, each read no further than its answer.

A replica is asked directly, not by Kong: what a probe finds steers Kong's balancer, so it must not depend on it, and a
word that opened any host and port at Kong would be a power that nobody else needs. A probe shows no credentials, and no
certificate is verified: it learns whether a replica is there, as Kong's own checks do, and tells it nothing.
"""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp
import anyio
from yarl import URL

from mcp_core import endpoint, methods
from mcp_core.heads import BodyKind, kind_of
from mcp_core.health import probe as core
from mcp_core.health.probe import MAX_ANSWER, Acquaintance, ProbeAnswer, ProbeRequest, Sign
from mcp_core.health.rotation import TIMEOUT
from mcp_core.sse import Decoder, StreamTooLargeError
from mcp_sidecar.upstream.bodies import chunks, read
from mcp_sidecar.upstream.encodings import EncodingError

AT_ONCE: Final = 16
"""Probes of one sidecar that are under way together."""
_LEAVE_SECONDS: Final = 1.0


class ProbeAsker:
    """Probes replicas. Belongs to one event loop, and is closed by aclose."""

    def __init__(self, release: str) -> None:
        self._release = release
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._client: aiohttp.ClientSession | None = None

    def meet(self) -> Acquaintance:
        """Return what is known of a replica that was never asked."""
        return Acquaintance(release=self._release)

    async def probe(self, url: str, known: Acquaintance) -> Sign:
        """Return what a probe of the replica at `url` finds, within TIMEOUT of its turn."""
        async with self._places:
            finding = Sign(well=False, word="timeout")
            with anyio.move_on_after(TIMEOUT):
                finding = await self._probe(url, known)
            if finding.word == "timeout":
                known.way = None
                known.forget()
            elif known.asks >= core.SESSION_ASKS:
                await self.leave(url, known)
            return finding

    async def leave(self, url: str, known: Acquaintance) -> None:
        """End the session with a replica, where there is one."""
        ask = core.leave(known)
        if ask is not None:
            with anyio.move_on_after(_LEAVE_SECONDS):
                await self._ask(url, ask)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()

    async def _probe(self, url: str, known: Acquaintance) -> Sign:
        questions = core.probe(known)
        try:
            ask = next(questions)
            while True:
                ask = questions.send(await self._ask(url, ask))
        except StopIteration as end:
            finding: Sign = end.value
            return finding

    async def _ask(self, url: str, ask: ProbeRequest) -> ProbeAnswer:
        try:
            async with self._session().request(
                ask.http_method,
                URL(url, encoded=True),
                headers={**ask.headers, methods.ACCEPT_ENCODING_HEADER: "identity"},
                data=ask.body or None,
                allow_redirects=False,
            ) as answer:
                return await _said(ask, answer)
        except aiohttp.ClientConnectorError as error:
            return ProbeAnswer(status=401) if _wants_certificate(error) else ProbeAnswer(failed="refused")
        except (aiohttp.ClientError, OSError) as error:
            return ProbeAnswer(status=401) if _wants_certificate(error) else ProbeAnswer(failed="reset")
        except (EncodingError, StreamTooLargeError, ValueError):
            return ProbeAnswer(failed="not-mcp")

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"{core.ID}/{self._release}"},
                # A fresh connection each time: whether it is taken is a part of the question.
                connector=aiohttp.TCPConnector(ssl=False, limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._client


async def _said(ask: ProbeRequest, answer: aiohttp.ClientResponse) -> ProbeAnswer:
    session, status = answer.headers.get(methods.SESSION_HEADER), answer.status
    said = ProbeAnswer(status, session=session, wait=_seconds(answer.headers.get("retry-after", "")))
    if status >= 500 or ask.http_method == "DELETE":
        return said
    kind = kind_of(answer.headers.get("content-type", ""))
    if kind is BodyKind.STREAM:
        text, event, large = await _first(ask, answer)
    elif ask.http_method == "GET":
        return said
    else:
        body = await read(answer, MAX_ANSWER)
        text, event, large = (
            (body or b"").decode(errors="replace") if kind else "",
            "",
            body is None and kind is not None,
        )
    return ProbeAnswer(status, text, event, session, said.wait, large)


async def _first(ask: ProbeRequest, answer: aiohttp.ClientResponse) -> tuple[str, str, bool]:
    """Return the answer in a stream, or the type of its first event where that is all that tells.

    Some servers of 2024-11-05 open their stream for a POST too.
    """
    decoder = Decoder(MAX_ANSWER)
    try:
        async for chunk in chunks(answer):
            for event in decoder.feed(chunk):
                names_endpoint = event.event == endpoint.EVENT
                if event.data is not None and (ask.http_method == "GET" or names_endpoint):
                    return "", event.event or "", False
                if event.data and core.is_response(event.data):
                    return event.data, "", False
    except StreamTooLargeError:
        return "", "", True
    last = decoder.end()
    return (last.data or "" if last is not None else ""), "", False


def _seconds(text: str) -> float:
    """Return what Retry-After says in seconds; a date is taken for a while (RFC 9110, section 10.2.3)."""
    if not text:
        return 0.0
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else 5.0


def _wants_certificate(error: BaseException) -> bool:
    """Return whether a replica broke the handshake off because it wants to know who asks (RFC 8446, section 6.2)."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ssl.SSLError):
        inner = getattr(inner, "os_error", None) or inner.__cause__
    return inner is not None and "CERTIFICATE_REQUIRED" in str(getattr(inner, "reason", "")).upper().replace(" ", "_")
