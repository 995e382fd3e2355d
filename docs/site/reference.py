"""Write the pages of reference that are made of code: commands and the sidecar's variables. --check: are they stale?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

import click

from kong_mcp.cli import main as kong_mcp
from mcp_sidecar.auth.settings import AuthSettings
from mcp_sidecar.catalog.settings import CatalogSettings
from mcp_sidecar.health.settings import HealthSettings
from mcp_sidecar.second.settings import SecondReaderSettings
from mcp_sidecar.settings import KEYS_VARIABLE, VARIABLES, Settings
from mcp_sidecar.surface.pin_settings import PinSettings
from mcp_sidecar.telemetry.settings import TelemetrySettings

DOCS: Final = Path(__file__).resolve().parents[1]
MADE: Final = "<!-- Made by docs/site/reference.py: change the code, then run `make reference`. -->\n"
WIDTH: Final = 100
MEANINGS: Final = {
    "MCP_SIDECAR_LISTEN": "Where it listens: `HOST:PORT`. Kong's upstream `mcp-sidecar` points here.",
    "MCP_SIDECAR_REVIEW_LISTEN": "Where the review API listens, `HOST:PORT`, and nothing else does; it is nowhere else "
    "then. Without it it is served beside the lane.",
    "MCP_SIDECAR_KONG_URL": "Where Kong's proxy listens: servers are asked through its internal route.",
    "MCP_SIDECAR_INTERNAL_HOST": "The host name of Kong's internal route.",
    "MCP_SIDECAR_METRICS_TOKEN": "What readers of `/metrics` send as bearer token; without it there is no `/metrics`.",
    "MCP_SIDECAR_CONNECT_TIMEOUT": "Seconds until a connection to Kong counts as failed.",
    "MCP_SIDECAR_ANSWER_TIMEOUT": "Seconds until an answer must have come; work that lasts has no such limit.",
    "MCP_SIDECAR_MAX_ANSWER": "Bytes of an answer, or of one event, that are read at most.",
    "MCP_SIDECAR_REPEATS": "How often what is safe to repeat is sent again, 0 to 2.",
    "MCP_SIDECAR_REPEAT_SHARE": "How much of a server's traffic may be repeats, as a part of 1.",
    "MCP_SIDECAR_OPEN_PER_CALLER": "Requests of one caller that may be open at once; then 429.",
    "MCP_SIDECAR_OPEN_PER_SERVER": "Requests to one server that may be open at once; then 503.",
    "MCP_SIDECAR_KEEP_ALIVE": "Seconds of silence after which an event stream to an agent gets a comment.",
    "MCP_SIDECAR_SLOW_READER": "Seconds that an agent may leave what is written to it unread; then it is cut off.",
    "MCP_SIDECAR_KEEP_LISTS": "Seconds for which a list is given again unasked, where its server lets it be; 0: none.",
    "MCP_SIDECAR_PORTAL_ROLES": "Roles of people: `NAME=ROLE` or `group:NAME=ROLE`; viewer, reviewer or administrator.",
    "MCP_SIDECAR_PORTAL_LOGIN": "People's OpenID provider: `ISSUER CLIENT-ID SECRET`, SECRET as `env:NAME` or a file.",
    "MCP_SIDECAR_PORTAL_LINKS": "Folder of one-time links by which people sign in; `kong-mcp dev` makes some.",
    "MCP_SIDECAR_LOG_LEVEL": "debug, info, warning or error.",
    "MCP_SIDECAR_SEARCH_MODEL": "What tools are found by: wordllama, or both for MiniLM beside it; see search.md.",
    "KONG_MCP_SNAPSHOT": "The file in which this node's guards read what is open; the plugin server has it too.",
    "MCP_SIDECAR_STORE": "The store: a path of an SQLite file, or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
    "MCP_SIDECAR_FIRST_USE": "What becomes of clean items of a server that is seen for the first time.",
    "MCP_SIDECAR_DRIFT": "What becomes of a clean change of an open item.",
    "MCP_SIDECAR_SETTLE": "Seconds for which a closed version must stay away before its item opens again.",
    "MCP_SIDECAR_REFRESH_INTERVAL": "Seconds between two looks at the store for what others decided.",
    "MCP_SIDECAR_LOOK_INTERVAL": "Seconds between two looks of the sidecar's own at each server.",
    "MCP_SIDECAR_SERVERS": "Servers to look at before any agent has: names, separated by commas.",
    "MCP_SIDECAR_SERVERS_FILE": "All servers, as `kong-mcp deck render --servers-out` writes them; read anew.",
    "MCP_SIDECAR_REVIEWERS": "Who may use the review API: `NAME=TOKEN`, separated by commas.",
    "MCP_SIDECAR_READERS": "Who may read in the review API, and decide nothing: `NAME=TOKEN`, separated by commas.",
    "MCP_SIDECAR_SECOND_READER_URL": "Where a model of yours reads what is new (`.../v1/chat/completions`). Without it "
    "nobody is asked.",
    "MCP_SIDECAR_SECOND_READER_MODEL": "The model's name at that URL.",
    "MCP_SIDECAR_SECOND_READER_KEY": "The bearer token for that URL.",
    "MCP_SIDECAR_SECOND_READER_TIMEOUT": "Seconds that one question may take.",
    "MCP_SIDECAR_SECOND_READER_DAILY": "Questions in 24 hours at most; what is new after them is read later.",
    "MCP_SIDECAR_WEBHOOK_URL": "Where news is sent: new and changed items, withheld answers.",
    "MCP_SIDECAR_WEBHOOK_SECRET": "What the webhook's body is signed with (HMAC-SHA256).",
    "KONG_MCP_ISSUER_KEYS": "The file in which this node's guards read issuers' keys; the plugin server has it too.",
    "MCP_SIDECAR_ISSUERS": "Issuers of access tokens, each with the URL of its keys if discovery shall not find it.",
    "MCP_SIDECAR_ISSUER_REFRESH": "Seconds between two readings of an issuer's keys.",
    "MCP_SIDECAR_ISSUER_KEEP": "Seconds for which the last good keys of an issuer that is away are used.",
    "MCP_SIDECAR_ISSUER_NETWORKS": "Private networks in which issuers may live; public addresses need no entry.",
    "MCP_SIDECAR_ISSUER_CLIENTS": "As whom issuers are asked: `ISSUER CLIENT env:NAME` or `file:PATH`, with commas.",
    "MCP_SIDECAR_LOOK_CREDENTIALS": "How looks show who asks: `SERVER HEADER env:NAME` or `file:PATH`, with commas.",
    "KONG_MCP_ASK_SOCKET": "The socket at which guards ask what only a provider knows; plugin server too.",
    "KONG_MCP_REVOKED": "Where guards read whom `kong-mcp revoke` has cut off; plugin server too.",
    "KONG_MCP_POLICIES": "The folder of policies that are too long for a header; the plugin server writes it.",
    "KONG_MCP_HEALTH": "Where guards read which servers are not to be asked now; plugin server too.",
    "MCP_SIDECAR_KONG_ADMIN": "Kong's Admin API, which is told of replicas that are ill; URLs with commas.",
    "MCP_SIDECAR_KONG_ADMIN_TOKEN": "The token that is sent to it.",
    "MCP_SIDECAR_REPLICAS": "Replicas to probe without the Admin API: `SERVER=URL URL`, commas between.",
    "MCP_SIDECAR_BREAKER_REQUESTS": "Requests within a window from which a breaker may open.",
    "MCP_SIDECAR_BREAKER_SHARE": "The share of them that failed at which it opens.",
    "MCP_SIDECAR_BREAKER_SLOW": "Seconds from which an answer counts as slow.",
    "MCP_SIDECAR_COLLECTOR_TOKEN": "What Kong sends to `/collector` as bearer token; without it there is no collector.",
    "MCP_SIDECAR_COLLECTOR_NAME": "What tells collectors of one store apart; by default the host's name.",
    "MCP_SIDECAR_TOOL_LABELS": "Tools and prompts of one server that metrics name; the rest is `other`.",
    "MCP_SIDECAR_PRINCIPAL_LABELS": "Principals that metrics name; the rest is `other`.",
    "MCP_SIDECAR_USAGE_HOURS": "After so many hours usage is kept by day.",
    "MCP_SIDECAR_USAGE_DAYS": "After so many days usage is one sum, without principals.",
    "MCP_SIDECAR_AUDIT": "The folder of the audit log; without one there is none.",
    "MCP_SIDECAR_AUDIT_EVENTS": "`decisions` (refusals and the like) or `calls` (every request).",
    "MCP_SIDECAR_AUDIT_PERSONS": "What becomes of principals and addresses: `kept`, `hashed` or `dropped`.",
    "MCP_SIDECAR_AUDIT_DAYS": "Days for which lines are kept.",
    "MCP_SIDECAR_OTLP_METRICS": "Where all metrics are sent by OTLP, every minute: `http://HOST:4318/v1/metrics`.",
    "MCP_SIDECAR_OTLP_TRACES": "Where spans of sampled requests are sent by OTLP: `http://HOST:4318/v1/traces`.",
    "MCP_SIDECAR_BREAKER_REST": "Seconds for which it stays open before one more is tried.",
    "MCP_SIDECAR_WEBHOOK_SHAPE": "json, or slack: a text, as Slack's incoming webhooks take it.",
    "MCP_SIDECAR_MAIL_SERVER": "Where alerts are mailed: `smtp://HOST:PORT`, or `smtps://USER@HOST:PORT`.",
    "MCP_SIDECAR_MAIL_FROM": "The sender's address.",
    "MCP_SIDECAR_MAIL_TO": "The receivers' addresses, commas between them.",
    "MCP_SIDECAR_MAIL_PASSWORD": "The password of the mail server's user.",
    "MCP_SIDECAR_PUBLIC_URL": "Where agents and people reach the gateway, `https://mcp.example.com`, as registry and "
    "portal tell them. Without it there is neither; with a path there is no portal.",
    "MCP_SIDECAR_REGISTRY_NAMESPACE": "What stands before the slash in servers' names in the registry; without it the "
    "labels of the URL's host in reverse.",
}
"""What each variable is for. Every one has its line, or the pages cannot be made."""


def commands(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each command below this one with its help, in the order in which --help lists them."""
    context = click.Context(command, info_name=" ".join(words), max_content_width=WIDTH, terminal_width=WIDTH)
    yield words, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from commands(found, (*words, name))


def commands_page() -> str:
    """Return the page of all commands."""
    parts = [MADE, "# Commands\n", "What `--help` of each command says.\n"]
    for words, text in commands(kong_mcp, ("kong-mcp",)):
        parts.append(f"{'#' * min(1 + len(words), 4)} {' '.join(words)}\n\n```text\n{text.rstrip()}\n```\n")
    return "\n".join(parts)


def defaults() -> dict[str, Any]:
    """Return the default of each field that a variable sets."""
    found: dict[str, Any] = {}
    for kind in (
        Settings,
        PinSettings,
        AuthSettings,
        HealthSettings,
        TelemetrySettings,
        CatalogSettings,
        SecondReaderSettings,
    ):
        for field in fields(kind):
            found[field.name] = None if field.default is MISSING else field.default
    return found | {"listen": f"{Settings.listen_host}:{Settings.listen_port}"}


def shown(value: Any) -> str:
    """Return a default as an operator would write it."""
    if value in (None, (), {}, b"", MISSING):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def variables_page() -> str:
    """Return the page of the sidecar's variables. Raises KeyError for one without a line in MEANINGS."""
    values = defaults()
    keys = "The ring of keys that guard and sidecar share: base64, commas between them; the first signs."
    rows = [f"| `{KEYS_VARIABLE}` | needed | {keys} |"]
    rows += [f"| `{name}` | {shown(values.get(field))} | {MEANINGS[name]} |" for name, (field, _) in VARIABLES.items()]
    head = "Read once, from the environment. `mcp-sidecar check` names all that cannot be used, and so does a start."
    return "\n".join(
        [
            MADE,
            "# The sidecar's variables\n",
            f"{head}\n",
            "| variable | default | what it is |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Write the pages, or with --check compare them: 1 says that one is stale."""
    stale = []
    for name, text in {"commands.md": commands_page(), "sidecar.md": variables_page()}.items():
        path = DOCS / "reference" / name
        if "--check" in sys.argv:
            stale += [] if path.is_file() and path.read_text(encoding="utf-8") == text else [path.name]
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        click.echo(f"docs/reference/{', '.join(stale)}: stale; run: make reference")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
