"""The command line of the sidecar."""

from __future__ import annotations

import os

import click
import structlog

from mcp_sidecar import logs
from mcp_sidecar.server import serve as run_server
from mcp_sidecar.settings import Settings, SettingsError, read_settings
from mcp_sidecar.store.engine import StoreError, store_url
from mcp_sidecar.store.store import Store

_HELP = """The inspect lane of the MCP gateway: filters what MCP servers list by what each caller may see.

Kong's mcp-guard plugin sends requests here with a signed context; nobody else is served. Everything is set by
environment variables; KONG_MCP_KEYS (the keys that Kong's plugins have too) has no default.

\b
  MCP_SIDECAR_LISTEN           HOST:PORT to listen on           127.0.0.1:8790
  MCP_SIDECAR_REVIEW_LISTEN    HOST:PORT for the review API alone
  MCP_SIDECAR_KONG_URL         where Kong's proxy listens       http://127.0.0.1:8000
  MCP_SIDECAR_INTERNAL_HOST    host name of the internal route  mcp-internal
  MCP_SIDECAR_CONNECT_TIMEOUT  seconds to reach Kong            5
  MCP_SIDECAR_ANSWER_TIMEOUT   seconds until a server answers   300
  MCP_SIDECAR_MAX_ANSWER       bytes of one answer or event     8388608
  MCP_SIDECAR_OPEN_PER_CALLER  streams, and requests, of one    512
  MCP_SIDECAR_OPEN_PER_SERVER  streams, and requests, to one    2048
  MCP_SIDECAR_KEEP_ALIVE       silent seconds until a comment    15
  MCP_SIDECAR_SLOW_READER      seconds that nobody reads         60
  MCP_SIDECAR_KEEP_LISTS       seconds that lists are kept       1
  MCP_SIDECAR_REPEATS          how often to ask again, 0 to 2   2
  MCP_SIDECAR_REPEAT_SHARE     part of requests asked again      0.2
  MCP_SIDECAR_LOG_LEVEL        debug, info, warning or error    info
  MCP_SIDECAR_SEARCH_MODEL     wordllama or both                wordllama
  MCP_SIDECAR_METRICS_TOKEN    bearer token for /metrics        nobody reads them

KONG_MCP_POLICIES is the folder in which the guards of this node leave policies that are too long for a header.

Approval of what servers offer (pins) needs a store; KONG_MCP_SNAPSHOT is the file in which the guards of this node read
what is approved.

\b
  MCP_SIDECAR_STORE            file of SQLite, or a postgresql:// URL
  MCP_SIDECAR_FIRST_USE        approve-clean or quarantine-all  approve-clean
  MCP_SIDECAR_DRIFT            exact, strict, graded or clean   strict
  MCP_SIDECAR_SETTLE           seconds a bad version stays away 300
  MCP_SIDECAR_REFRESH_INTERVAL seconds to hear of other nodes   1
  MCP_SIDECAR_LOOK_INTERVAL    seconds between own looks        300
  MCP_SIDECAR_SERVERS          NAME or NAME=SCHEME://KONG-UPSTREAM/PATH of servers to look at, with commas
                                                                those that are asked for
  MCP_SIDECAR_SERVERS_FILE     file of servers to look at: kong-mcp deck render --servers-out
  MCP_SIDECAR_REVIEWERS        NAME=TOKEN,... for the review API
  MCP_SIDECAR_READERS          NAME=TOKEN,... who may see it all there, and decide nothing
  MCP_SIDECAR_WEBHOOK_URL      where alerts are posted
  MCP_SIDECAR_WEBHOOK_SECRET   what signs them
  MCP_SIDECAR_WEBHOOK_SHAPE    json or slack                  json
  MCP_SIDECAR_MAIL_SERVER      where they are mailed, smtp://HOST:PORT or smtps://USER@HOST:PORT
  MCP_SIDECAR_MAIL_FROM        the sender; MCP_SIDECAR_MAIL_TO: the receivers; MCP_SIDECAR_MAIL_PASSWORD: the user's

A second reader (docs/second-reader.md): a model of yours reads what is new, and may close it.

\b
  MCP_SIDECAR_SECOND_READER_URL      where completions are asked for   nobody is asked
  MCP_SIDECAR_SECOND_READER_MODEL    the model's name there; MCP_SIDECAR_SECOND_READER_KEY: the bearer token
  MCP_SIDECAR_SECOND_READER_TIMEOUT  seconds of a question             30
  MCP_SIDECAR_SECOND_READER_DAILY    questions in 24 hours             500

Health (docs/availability.md): probes of replicas, and breakers; KONG_MCP_HEALTH is the file by which the guards of this
node know which servers are not to be asked now.

\b
  MCP_SIDECAR_KONG_ADMIN       URLs of Kong's Admin API, commas  nobody is probed
  MCP_SIDECAR_KONG_ADMIN_TOKEN what the Admin API wants
  MCP_SIDECAR_REPLICAS         NAME=URL URL,... where no Admin API tells
  MCP_SIDECAR_BREAKER_REQUESTS requests that open a breaker     20
  MCP_SIDECAR_BREAKER_SHARE    the share of them that failed    0.5
  MCP_SIDECAR_BREAKER_SLOW     seconds that are too slow        10
  MCP_SIDECAR_BREAKER_REST     seconds until it is half open    5

Telemetry (docs/telemetry.md): Kong delivers to /collector (kong-mcp deck render --collector).

\b
  MCP_SIDECAR_COLLECTOR_TOKEN  bearer token of Kong's deliveries nothing is collected
  MCP_SIDECAR_COLLECTOR_NAME   which collector of the store      the host's name
  MCP_SIDECAR_TOOL_LABELS      tools of a server in metrics     200
  MCP_SIDECAR_PRINCIPAL_LABELS principals in metrics            1000
  MCP_SIDECAR_USAGE_HOURS      hours of usage, then days        168
  MCP_SIDECAR_USAGE_DAYS       days of usage, then one sum      400
  MCP_SIDECAR_AUDIT            folder of the audit log          none
  MCP_SIDECAR_AUDIT_EVENTS     decisions, or all calls          decisions
  MCP_SIDECAR_AUDIT_PERSONS    kept, hashed or dropped          kept
  MCP_SIDECAR_AUDIT_DAYS       days of it                       365
  MCP_SIDECAR_OTLP_TRACES      URL that takes spans             none
  MCP_SIDECAR_OTLP_METRICS     URL that takes all metrics       none

Where agents and people reach the gateway, which portal and registry tell them. Without it there is neither.

\b
  MCP_SIDECAR_PUBLIC_URL         https://mcp.example.com; with a path there is no portal

The portal (docs/portal.md): pages for people, reached through Kong's route of deck/portal.yaml.

\b
  MCP_SIDECAR_PORTAL_ROLES     NAME=ROLE or group:NAME=ROLE, commas; viewer, reviewer or administrator
  MCP_SIDECAR_PORTAL_LOGIN     ISSUER CLIENT-ID SECRET; SECRET is env:NAME or file:/PATH
  MCP_SIDECAR_PORTAL_LINKS     folder of one-time links

The registry (docs/registry.md), which tells clients which servers there are:

\b
  MCP_SIDECAR_REGISTRY_NAMESPACE what is before the slash of servers' names: com.example.mcp

Access tokens (docs/authentication.md) need their issuers' keys; KONG_MCP_ISSUER_KEYS is the file in which the guards of
this node read them.

\b
  MCP_SIDECAR_ISSUERS          issuers, with commas; after a blank, the URL of its keys may follow one
  MCP_SIDECAR_ISSUER_REFRESH   seconds between fetches          60
  MCP_SIDECAR_ISSUER_KEEP      seconds that keys count          86400
  MCP_SIDECAR_ISSUER_NETWORKS  networks that may be asked beside public addresses
  MCP_SIDECAR_ISSUER_CLIENTS   as whom they are asked: ISSUER CLIENT-ID SECRET, with commas; SECRET is env:NAME or
                               file:/PATH
  MCP_SIDECAR_LOOK_CREDENTIALS  by what servers know the gateway that looks at them: SERVER HEADER SECRET, with commas
  KONG_MCP_ASK_SOCKET          the socket at which this node's guards ask
  KONG_MCP_REVOKED             the file in which they read who was cut off (kong-mcp revoke)
"""


@click.group(help=_HELP)
@click.version_option(package_name="kong-mcp")
def main() -> None:
    """Run the sidecar's commands."""


@main.command()
def serve() -> None:
    """Serve until SIGTERM. Log lines are JSON on stderr; one says where it listens."""
    settings = _settings()
    logs.configure(settings.log_level)
    for warning in settings.warnings:
        structlog.get_logger().warning(warning)
    try:
        run_server(settings)
    except OSError as error:
        address = f"{settings.listen_host}:{settings.listen_port}"
        if settings.review_listen is not None:
            address += f" and {settings.review_listen[0]}:{settings.review_listen[1]}"
        raise click.ClickException(f"cannot listen on {address}: {error.strerror}; set MCP_SIDECAR_LISTEN") from error


@main.command()
def migrate() -> None:
    """Bring the store to this release's schema. `serve` does so too."""
    address = _settings().pins.store
    if address is None:
        raise click.ClickException("MCP_SIDECAR_STORE is not set: there is no store to migrate")
    try:
        Store(address, migrate=True).close()
    except StoreError as error:
        raise click.ClickException(str(error)) from None
    click.echo("the store has this release's schema")


@main.command()
def check() -> None:
    """Check the settings and print those that are not secret."""
    settings = _settings()
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"listens on {settings.listen_host}:{settings.listen_port}")
    click.echo(f"reaches servers by {settings.kong_url} with host {settings.internal_host}")
    click.echo(f"has {len(settings.keys)} key(s)")
    pins = settings.pins
    if pins.store is None:
        click.echo("has no store: servers with pins enforced show nothing")
    else:
        click.echo(
            f"keeps surfaces in {store_url(pins.store).render_as_string()}: {pins.first_use}, drift {pins.drift}"
        )
        click.echo(f"writes the snapshot {pins.snapshot or '(none)'}; has {len(pins.reviewers)} reviewer(s)")
    if settings.auth.issuers:
        click.echo(f"writes the keys of {len(settings.auth.issuers)} issuer(s) to {settings.auth.issuer_keys}")


def _settings() -> Settings:
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        raise click.ClickException("the settings cannot be used\n  " + "\n  ".join(error.problems)) from None
