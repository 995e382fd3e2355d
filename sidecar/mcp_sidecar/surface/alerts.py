"""Who hears of what is new: the log, the metrics, a webhook and receivers of mail where they are set.

The webhook gets one POST of JSON for each thing that somebody should look at. Its signature covers the time and the
body: `t=SECONDS,v1=HEX`, where HEX is the HMAC-SHA256 (RFC 2104) of `SECONDS.BODY` with the secret. A receiver compares
it in constant time and refuses an old time. What cannot be delivered is tried again a few times, then given up: the
store and the log have it.
"""

from __future__ import annotations

import hmac
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.to_thread
import httpx
import structlog

from mcp_core.methods import ALERT_SIGNATURE_HEADER
from mcp_core.pins.states import State
from mcp_sidecar.store.chain import CHANGES_OFTEN, DIFFERS
from mcp_sidecar.store.observe import News
from mcp_sidecar.surface.pin_metrics import PinMetrics
from mcp_sidecar.surface.tellings import Mail, WebhookShape, slack

QUEUED: Final = 1000
"""How many alerts wait for the webhook at most; those beyond are counted as lost."""
TRIES: Final = 5
FIRST_PAUSE: Final = 1.0
"""Seconds before the second try; each pause is twice the one before."""
TIMEOUT: Final = 10.0
NOTICE_SECONDS: Final = 600.0
"""How long a notice about one server is not told again."""
PER_SERVER: Final = 60
"""How many alerts about one server the webhook gets in NOTICE_SECONDS; the log, the metrics and the store have all."""
LIMITED: Final = "alerts.limited"
WITHHELD: Final = "answer.withheld"
"""What a notice is called that more alerts wait in the log, and one that an answer did not reach its agent."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody should hear of that is about no single item. `type` is a short stable word."""

    type: str
    server: str = ""
    detail: Mapping[str, str | int] = field(default_factory=dict)


def sign(secret: bytes, seconds: int, body: bytes) -> str:
    """Return the signature of an alert that is sent at a Unix time."""
    return f"t={seconds},v1={hmac.new(secret, b'%d.%s' % (seconds, body), 'sha256').hexdigest()}"


def to_json(news: News, now: float) -> dict[str, Any]:
    """Return what the webhook is told. Texts of the server are only in excerpts that can be printed anywhere."""
    return {
        "type": f"surface.{news.action}",
        "at": int(now),
        "server": news.server,
        "kind": news.kind.value,
        "name": news.name,
        "digest": news.digest,
        "state": news.grade.state.value,
        "reason": news.grade.reason,
        "fields": list(news.grade.fields),
        "findings": [finding.to_json() for finding in news.findings],
    }


class Alerts:
    """Tells of news. Without a webhook, the log and the metrics hear of it."""

    def __init__(
        self,
        metrics: PinMetrics,
        url: str | None = None,
        secret: bytes = b"",
        *,
        shape: WebhookShape = WebhookShape.JSON,
        mail: Mail | None = None,
    ) -> None:
        self._metrics = metrics
        self._url = url
        self._secret = secret
        self._shape = shape
        self._mail = mail
        self._noticed: dict[tuple[str, str], float] = {}
        self._posted: dict[str, tuple[float, int]] = {}
        self._send, self._queue = anyio.create_memory_object_stream[dict[str, Any]](QUEUED)

    def tell(self, news: News) -> None:
        """Tell of one thing. Never waits."""
        state, reason = news.grade.state, news.grade.reason
        self._metrics.versions.labels(news.server, news.kind.value, state.value, reason).inc()
        alarming = state is not State.APPROVED or news.action in (DIFFERS, CHANGES_OFTEN)
        log = structlog.get_logger()
        (log.warning if alarming else log.info)(
            f"surface {news.action}",
            server=news.server,
            kind=news.kind.value,
            name=ascii(news.name[:200]),
            digest=news.digest,
            state=state.value,
            reason=reason,
            fields=[ascii(one[:100]) for one in news.grade.fields],
            rules=sorted({finding.rule for finding in news.findings}),
        )
        if alarming:
            self._post(to_json(news, time.time()))

    def say(self, notice: Notice) -> None:
        """Tell of something, of each server once in NOTICE_SECONDS. Never waits."""
        now, key = time.monotonic(), (notice.type, notice.server)
        if now - self._noticed.get(key, -math.inf) < NOTICE_SECONDS:
            return
        self._noticed[key] = now
        about = {"server": notice.server} if notice.server else {}
        structlog.get_logger().warning(notice.type, **about, **notice.detail)
        self._post({"type": notice.type, "at": int(time.time()), **about, **notice.detail})

    def _post(self, alert: dict[str, Any]) -> None:
        if self._url is None and self._mail is None:
            return
        number = self._number(alert.get("server", ""))
        if number > PER_SERVER:
            self._metrics.webhooks.labels("limited").inc()
            if number > PER_SERVER + 1:
                return
            alert = {key: alert[key] for key in ("at", "server") if key in alert}
            alert = {"type": LIMITED, **alert, "seconds": int(NOTICE_SECONDS), "most": PER_SERVER}
        try:
            self._send.send_nowait(alert)
        except (anyio.WouldBlock, anyio.ClosedResourceError):
            self._metrics.webhooks.labels("lost").inc()

    def _number(self, server: str) -> int:
        """Count an alert about a server, and return which one it is since NOTICE_SECONDS began."""
        now = time.monotonic()
        began, number = self._posted.get(server, (now, 0))
        if now - began >= NOTICE_SECONDS:
            began, number = now, 0
        self._posted[server] = began, number + 1
        return number + 1

    async def run(self) -> None:
        """Deliver to the webhook and by mail, for ever: where one of the two waits, so does the other."""
        if self._url is None and self._mail is None:
            return
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT) as client:
            async for alert in self._queue:
                if self._url is not None:
                    told = slack(alert) if self._shape is WebhookShape.SLACK else alert
                    body = json.dumps(told, separators=(",", ":")).encode()
                    self._metrics.webhooks.labels(await self._deliver(client, self._url, body)).inc()
                if self._mail is not None:
                    self._metrics.mails.labels(await self._send_mail(self._mail, alert)).inc()

    async def _send_mail(self, mail: Mail, alert: Mapping[str, Any]) -> str:
        problem = ""
        for turn in range(TRIES):
            if turn:
                await anyio.sleep(FIRST_PAUSE * 2 ** (turn - 1))
            try:
                await anyio.to_thread.run_sync(mail.send, alert)
            except OSError as error:  # smtplib's are such too; what a mail server says may hold addresses
                problem = type(error).__name__
                continue
            return "delivered"
        structlog.get_logger().error("the mail server took no alert", problem=problem)
        return "failed"

    def close(self) -> None:
        """Take no more."""
        self._send.close()
        self._queue.close()

    async def _deliver(self, client: httpx.AsyncClient, url: str, body: bytes) -> str:
        problem = ""
        for turn in range(TRIES):
            if turn:
                await anyio.sleep(FIRST_PAUSE * 2 ** (turn - 1))
            signature = sign(self._secret, int(time.time()), body)
            headers = {"content-type": "application/json", ALERT_SIGNATURE_HEADER: signature}
            try:
                answer = await client.post(url, content=body, headers=headers)
            except httpx.HTTPError as error:
                problem = type(error).__name__
                continue
            if answer.is_success:
                return "delivered"
            problem = f"status {answer.status_code}"
        structlog.get_logger().error("the webhook took no alert", problem=problem)
        return "failed"
