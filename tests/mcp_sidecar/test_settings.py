"""The sidecar's settings and its command line: all problems at once, and no secret shown."""

import base64
import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mcp_core.errand import Address
from mcp_core.pins.states import Drift, FirstUse
from mcp_core.servers import write_servers
from mcp_core.telemetry.ocsf import Persons
from mcp_sidecar.catalog.settings import CatalogSettings
from mcp_sidecar.cli import main
from mcp_sidecar.settings import VARIABLES, Settings, SettingsError, read_settings
from mcp_sidecar.surface.pin_settings import PinSettings
from mcp_sidecar.surface.tellings import MailServer, WebhookShape
from mcp_sidecar.telemetry.settings import TelemetrySettings

KEYS = base64.b64encode(b"k" * 32).decode()
NEEDED = {"KONG_MCP_KEYS": KEYS}


OF_TOKENS = {
    "KONG_MCP_ISSUER_KEYS": "/var/lib/kong-mcp/issuer-keys",
    "MCP_SIDECAR_ISSUERS": "https://idp.example",
    "MCP_SIDECAR_ISSUER_REFRESH": "30",
    "MCP_SIDECAR_ISSUER_KEEP": "3600",
    "MCP_SIDECAR_ISSUER_NETWORKS": "10.1.0.0/16",
    "MCP_SIDECAR_ISSUER_CLIENTS": "https://idp.example gateway file:/run/secrets/idp",
    "KONG_MCP_ASK_SOCKET": "/var/lib/kong-mcp/ask.sock",
    "KONG_MCP_REVOKED": "/var/lib/kong-mcp/revoked",
    "MCP_SIDECAR_LOOK_CREDENTIALS": "crm Authorization file:/run/secrets/crm",
}
OF_HEALTH = {
    "KONG_MCP_HEALTH": "/var/lib/kong-mcp/health",
    "MCP_SIDECAR_KONG_ADMIN": "http://127.0.0.1:8001",
    "MCP_SIDECAR_KONG_ADMIN_TOKEN": "t",
    "MCP_SIDECAR_REPLICAS": "notes=http://10.0.0.7/mcp",
    "MCP_SIDECAR_BREAKER_REQUESTS": "5",
    "MCP_SIDECAR_BREAKER_SHARE": "0.25",
    "MCP_SIDECAR_BREAKER_SLOW": "3",
    "MCP_SIDECAR_BREAKER_REST": "2",
    "MCP_SIDECAR_KEEP_ALIVE": "20",
    "MCP_SIDECAR_SLOW_READER": "30.5",
    "MCP_SIDECAR_KEEP_LISTS": "0.5",
}
OF_TELEMETRY = {
    "MCP_SIDECAR_COLLECTOR_TOKEN": "c" * 32,
    "MCP_SIDECAR_COLLECTOR_NAME": "node-1",
    "MCP_SIDECAR_TOOL_LABELS": "50",
    "MCP_SIDECAR_PRINCIPAL_LABELS": "0",
    "MCP_SIDECAR_USAGE_HOURS": "48",
    "MCP_SIDECAR_USAGE_DAYS": "30",
    "MCP_SIDECAR_AUDIT": "/var/lib/kong-mcp/audit",
    "MCP_SIDECAR_AUDIT_EVENTS": "calls",
    "MCP_SIDECAR_AUDIT_PERSONS": "Hashed",
    "MCP_SIDECAR_AUDIT_DAYS": "90",
    "MCP_SIDECAR_OTLP_TRACES": "http://127.0.0.1:4318/v1/traces",
    "MCP_SIDECAR_OTLP_METRICS": "http://127.0.0.1:4318/v1/metrics",
}


OF_CATALOG = {
    "MCP_SIDECAR_PUBLIC_URL": "https://mcp.example.com/",
    "MCP_SIDECAR_REGISTRY_NAMESPACE": "com.example",
}


OF_SECOND = {
    "MCP_SIDECAR_SECOND_READER_URL": "http://127.0.0.1:11434/v1/chat/completions",
    "MCP_SIDECAR_SECOND_READER_MODEL": "qwen3:8b",
    "MCP_SIDECAR_SECOND_READER_KEY": "k" * 24,
    "MCP_SIDECAR_SECOND_READER_TIMEOUT": "5",
    "MCP_SIDECAR_SECOND_READER_DAILY": "50",
}


OF_PORTAL = {
    "MCP_SIDECAR_PORTAL_ROLES": "ada=reviewer,group:ops=administrator",
    "MCP_SIDECAR_PORTAL_LOGIN": "https://idp.example portal file:/run/secrets/portal",
    "MCP_SIDECAR_PORTAL_LINKS": "/var/lib/kong-mcp/links",
}


def problems(**environment):
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return caught.value.problems


def test_the_keys_alone_are_needed():
    settings = read_settings(NEEDED | {"PATH": "/bin"})
    assert settings == Settings(keys=(b"k" * 32,))
    assert settings.kong_address == ("127.0.0.1", 8000)


def whole(listed):
    """Return every variable, set."""
    return NEEDED | {
        "MCP_SIDECAR_LISTEN": "[::1]:9000",
        "MCP_SIDECAR_REVIEW_LISTEN": "[::1]:9001",
        "MCP_SIDECAR_KONG_URL": "https://kong.internal/",
        "MCP_SIDECAR_INTERNAL_HOST": "inner.example",
        "MCP_SIDECAR_CONNECT_TIMEOUT": "0.5",
        "MCP_SIDECAR_ANSWER_TIMEOUT": "60",
        "MCP_SIDECAR_MAX_ANSWER": "4096",
        "MCP_SIDECAR_REPEATS": "0",
        "MCP_SIDECAR_REPEAT_SHARE": "0.5",
        "MCP_SIDECAR_OPEN_PER_CALLER": "64",
        "MCP_SIDECAR_OPEN_PER_SERVER": "256",
        "MCP_SIDECAR_LOG_LEVEL": "WARNING",
        "MCP_SIDECAR_SEARCH_MODEL": "both",
        "MCP_SIDECAR_METRICS_TOKEN": "0123456789abcdef",
        "KONG_MCP_SNAPSHOT": "/var/lib/kong-mcp/snapshot",
        "MCP_SIDECAR_STORE": "/var/lib/kong-mcp/store.db",
        "MCP_SIDECAR_FIRST_USE": "quarantine-all",
        "MCP_SIDECAR_DRIFT": "graded",
        "MCP_SIDECAR_SETTLE": "60",
        "MCP_SIDECAR_REFRESH_INTERVAL": "2",
        "MCP_SIDECAR_LOOK_INTERVAL": "30",
        "MCP_SIDECAR_SERVERS": "files, notes=https://notes-sessions/api/mcp",
        "MCP_SIDECAR_SERVERS_FILE": str(listed),
        "MCP_SIDECAR_REVIEWERS": f"ada={'a' * 32},bob={'b' * 32}",
        "MCP_SIDECAR_READERS": f"eve={'e' * 32}",
        "MCP_SIDECAR_WEBHOOK_URL": "https://alerts.example/mcp",
        "MCP_SIDECAR_WEBHOOK_SECRET": "s" * 32,
        "MCP_SIDECAR_WEBHOOK_SHAPE": "slack",
        "MCP_SIDECAR_MAIL_SERVER": "smtps://gateway@mail.example:465",
        "MCP_SIDECAR_MAIL_FROM": "gateway@example.com",
        "MCP_SIDECAR_MAIL_TO": "ada@example.com,bob@example.com",
        "MCP_SIDECAR_MAIL_PASSWORD": "mmmm",
        "KONG_MCP_POLICIES": "/var/lib/kong-mcp-policies",
        **OF_TOKENS,
        **OF_HEALTH,
        **OF_TELEMETRY,
        **OF_CATALOG,
        **OF_PORTAL,
        **OF_SECOND,
    }


def test_every_setting_can_be_set(tmp_path):
    listed = tmp_path / "servers.json"
    listed.write_text(write_servers([]), encoding="utf-8")
    environment = whole(listed)
    assert set(environment) - {"KONG_MCP_KEYS"} == set(VARIABLES)
    settings = read_settings(environment)
    assert (settings.listen_host, settings.listen_port, settings.review_listen) == ("::1", 9000, ("::1", 9001))
    assert (settings.kong_url, settings.internal_host) == ("https://kong.internal", "inner.example")
    assert settings.kong_address == ("kong.internal", 443)
    assert (settings.connect_timeout, settings.answer_timeout) == (0.5, 60)
    assert (settings.max_answer, settings.repeats, settings.log_level) == (4096, 0, "warning")
    assert settings.catalog == CatalogSettings("https://mcp.example.com", "com.example")
    assert (settings.portal.url, settings.warnings) == ("https://mcp.example.com", ())
    assert (settings.keep_alive, settings.slow_reader, settings.search_model) == (20, 30.5, "both")


def test_every_setting_of_pins_can_be_set(tmp_path):
    listed = tmp_path / "servers.json"
    listed.write_text(write_servers([]), encoding="utf-8")
    settings = read_settings(whole(listed))
    assert settings.pins == PinSettings(
        store="/var/lib/kong-mcp/store.db",
        snapshot="/var/lib/kong-mcp/snapshot",
        first_use=FirstUse.QUARANTINE_ALL,
        drift=Drift.GRADED,
        settle=60,
        refresh_interval=2,
        look_interval=30,
        servers={"files": None, "notes": Address("notes-sessions", "https", "/api/mcp")},
        servers_file=str(listed),
        reviewers={"ada": b"a" * 32, "bob": b"b" * 32},
        readers={"eve": b"e" * 32},
        webhook_url="https://alerts.example/mcp",
        webhook_secret=b"s" * 32,
        webhook_shape=WebhookShape.SLACK,
        mail_server=MailServer.read("smtps://gateway@mail.example:465"),
        mail_from="gateway@example.com",
        mail_to=("ada@example.com", "bob@example.com"),
        mail_password="mmmm",
    )
    assert "mmmm" not in repr(settings)
    assert "ssss" not in repr(settings)
    assert "aaaa" not in repr(settings)


@pytest.mark.requirement("SIDE-016")
def test_all_problems_are_named_at_once():
    named = problems(MCP_SIDECAR_LISTEN="here", MCP_SIDECAR_LOGLEVEL="info", MCP_SIDECAR_KONG_URL="ftp://x")
    assert [problem.split(":")[0].split(" ")[0] for problem in named] == [
        "KONG_MCP_KEYS",
        "MCP_SIDECAR_LISTEN",
        "MCP_SIDECAR_KONG_URL",
        "MCP_SIDECAR_LOGLEVEL",
    ]
    assert "did you mean MCP_SIDECAR_LOG_LEVEL?" in named[-1]


@pytest.mark.requirement("SIDE-016")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KONG_MCP_KEYS", "c2hvcnQ="),
        ("KONG_MCP_KEYS", "???"),
        ("MCP_SIDECAR_METRICS_TOKEN", "short"),
        ("MCP_SIDECAR_METRICS_TOKEN", "with a space 0123456789"),
        ("MCP_SIDECAR_METRICS_TOKEN", "\xe9" * 20),
        ("MCP_SIDECAR_LISTEN", "8790"),
        ("MCP_SIDECAR_REVIEW_LISTEN", "8791"),
        ("MCP_SIDECAR_REVIEW_LISTEN", "127.0.0.1:8791"),
        ("MCP_SIDECAR_LISTEN", ":8790"),
        ("MCP_SIDECAR_LISTEN", "127.0.0.1:99999"),
        ("MCP_SIDECAR_LISTEN", ""),
        ("MCP_SIDECAR_KONG_URL", "http://user:pw@kong"),
        ("MCP_SIDECAR_KONG_URL", "http://kong/path"),
        ("MCP_SIDECAR_KONG_URL", "http://kong:port"),
        ("MCP_SIDECAR_KONG_URL", "http://[::1"),
        ("MCP_SIDECAR_KONG_URL", "kong:8000"),
        ("MCP_SIDECAR_INTERNAL_HOST", "a b"),
        ("MCP_SIDECAR_INTERNAL_HOST", "a\r\nb"),
        ("MCP_SIDECAR_CONNECT_TIMEOUT", "0"),
        ("MCP_SIDECAR_CONNECT_TIMEOUT", "nan"),
        ("MCP_SIDECAR_ANSWER_TIMEOUT", "-1"),
        ("MCP_SIDECAR_ANSWER_TIMEOUT", "inf"),
        ("MCP_SIDECAR_MAX_ANSWER", "0"),
        ("MCP_SIDECAR_OPEN_PER_CALLER", "0"),
        ("MCP_SIDECAR_OPEN_PER_CALLER", "4097"),
        ("MCP_SIDECAR_OPEN_PER_SERVER", "-1"),
        ("MCP_SIDECAR_OPEN_PER_SERVER", "many"),
        ("MCP_SIDECAR_MAX_ANSWER", "16MiB"),
        ("MCP_SIDECAR_MAX_ANSWER", "99999999999999999999"),
        ("MCP_SIDECAR_REPEATS", "3"),
        ("MCP_SIDECAR_REPEATS", "-1"),
        ("MCP_SIDECAR_REPEATS", ""),
        ("MCP_SIDECAR_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_refused_by_its_variables_name(variable, value):
    (problem,) = problems(**(NEEDED | {variable: value}))
    assert problem.startswith(variable)
    if variable.endswith(("KEY", "KEYS")):
        assert value not in problem


def test_settings_do_not_print_their_secrets():
    shown = repr(read_settings(NEEDED))
    assert "0123456789abcdef" not in shown
    assert "kkkk" not in shown


@pytest.mark.requirement("SIDE-016")
def test_check_says_what_is_set_and_no_secret():
    ran = CliRunner().invoke(main, ["check"], env=NEEDED)
    assert ran.exit_code == 0
    assert "127.0.0.1:8790" in ran.output
    assert "0123456789abcdef" not in ran.output


def test_check_fails_with_every_problem():
    ran = CliRunner().invoke(main, ["check"], env={"MCP_SIDECAR_LISTEN": "x", "KONG_MCP_KEYS": ""})
    assert ran.exit_code == 1
    assert all(name in ran.output for name in ("KONG_MCP_KEYS", "MCP_SIDECAR_LISTEN"))


def test_serve_says_when_its_address_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = NEEDED | {"MCP_SIDECAR_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        ran = subprocess.run(
            [sys.executable, "-m", "mcp_sidecar", "serve"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ran.returncode == 1
    assert "set MCP_SIDECAR_LISTEN" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_help_names_every_variable_and_its_default():
    text = CliRunner().invoke(main, ["--help"]).output
    defaults = Settings(keys=())
    assert all(variable in text for variable in VARIABLES)
    for value in (defaults.listen_port, defaults.kong_url, defaults.internal_host, defaults.max_answer):
        assert str(value) in text


@pytest.mark.requirement("SIDE-035")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KONG_MCP_SNAPSHOT", "relative/path"),
        ("MCP_SIDECAR_STORE", "mysql://x"),
        ("MCP_SIDECAR_FIRST_USE", "approve"),
        ("MCP_SIDECAR_DRIFT", "loose"),
        ("MCP_SIDECAR_SETTLE", "0"),
        ("MCP_SIDECAR_LOOK_INTERVAL", "often"),
        ("MCP_SIDECAR_SERVERS", "Files"),
        ("MCP_SIDECAR_SERVERS", ","),
        ("MCP_SIDECAR_SERVERS_FILE", "servers.json"),
        ("MCP_SIDECAR_SERVERS_FILE", "/no/such/file"),
        ("MCP_SIDECAR_SERVERS_FILE", "/dev/null"),
        ("MCP_SIDECAR_SERVERS", "files="),
        ("MCP_SIDECAR_SERVERS", "files=http://files"),
        ("MCP_SIDECAR_SERVERS", "files=ftp://files/mcp"),
        ("MCP_SIDECAR_REVIEWERS", "ada"),
        ("MCP_SIDECAR_REVIEWERS", "ada=short"),
        ("MCP_SIDECAR_REVIEWERS", f"mcp-sidecar={'a' * 32}"),
        ("MCP_SIDECAR_REVIEWERS", f"ada={'a' * 32},ada={'b' * 32}"),
        ("MCP_SIDECAR_REVIEWERS", f"ada={'a' * 32},bob={'a' * 32}"),
        ("MCP_SIDECAR_READERS", "eve=short"),
        ("MCP_SIDECAR_WEBHOOK_URL", "alerts.example"),
        ("MCP_SIDECAR_WEBHOOK_SECRET", "short"),
    ],
)
def test_a_setting_of_pins_that_cannot_be_used_is_named_and_not_shown(variable, value):
    (problem,) = problems(**(NEEDED | {"MCP_SIDECAR_STORE": "/s", variable: value}))
    assert problem.startswith(f"{variable}: ")
    assert "aaaa" not in problem


@pytest.mark.requirement("SIDE-035")
def test_settings_that_need_others_say_so():
    store = NEEDED | {"MCP_SIDECAR_STORE": "/s", "MCP_SIDECAR_REVIEWERS": f"ada={'a' * 32}"}
    for readers in (f"ada={'e' * 32}", f"eve={'a' * 32}"):
        (problem,) = problems(**store, MCP_SIDECAR_READERS=readers)
        assert problem.startswith("MCP_SIDECAR_READERS: ")
    assert problems(**NEEDED, MCP_SIDECAR_READERS=f"eve={'e' * 32}")[0].startswith("MCP_SIDECAR_STORE is not set")
    (problem,) = problems(**NEEDED, MCP_SIDECAR_STORE="/s", MCP_SIDECAR_WEBHOOK_URL="https://a.example")
    assert problem.startswith("MCP_SIDECAR_WEBHOOK_SECRET is not set")
    (problem,) = problems(**NEEDED, MCP_SIDECAR_SERVERS="files")
    assert problem.startswith("MCP_SIDECAR_STORE is not set")


@pytest.mark.requirement("SIDE-035")
def test_check_shows_where_the_store_is_without_its_password():
    environment = NEEDED | {"MCP_SIDECAR_STORE": "postgresql://me:hunter2@db.example/pins"}
    done = CliRunner().invoke(main, ["check"], env=environment)
    assert done.exit_code == 0
    assert "db.example/pins" in done.output
    assert "hunter2" not in done.output


@pytest.mark.requirement("SIDE-035")
def test_migrate_makes_the_schema_and_says_what_is_missing(tmp_path):
    done = CliRunner().invoke(main, ["migrate"], env=NEEDED | {"MCP_SIDECAR_STORE": str(tmp_path / "s.db")})
    assert (done.exit_code, done.output) == (0, "the store has this release's schema\n")
    done = CliRunner().invoke(main, ["migrate"], env=NEEDED | {"MCP_SIDECAR_STORE": str(tmp_path / "no" / "s.db")})
    assert done.exit_code == 1
    assert "unable to open database file" in done.output
    assert CliRunner().invoke(main, ["migrate"], env=NEEDED).exit_code == 1


@pytest.mark.requirement("AUD-001")
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MCP_SIDECAR_COLLECTOR_TOKEN", "short", "at least 24"),
        ("MCP_SIDECAR_COLLECTOR_NAME", "a b", "a short name"),
        ("MCP_SIDECAR_TOOL_LABELS", "0", "from 1 to 10000"),
        ("MCP_SIDECAR_AUDIT", "audit", "the full path"),
        ("MCP_SIDECAR_AUDIT", "/audit", "needs MCP_SIDECAR_COLLECTOR_TOKEN and MCP_SIDECAR_STORE"),
        ("MCP_SIDECAR_AUDIT_EVENTS", "some", "decisions"),
        ("MCP_SIDECAR_AUDIT_PERSONS", "gone", "kept, hashed, dropped"),
        ("MCP_SIDECAR_OTLP_TRACES", "collector:4318", "http://127.0.0.1:4318/v1/traces"),
        ("MCP_SIDECAR_OTLP_METRICS", "collector:4318", "http://127.0.0.1:4318/v1/metrics"),
    ],
)
def test_what_telemetry_cannot_use_says_what_to_write(name, value, says):
    (problem,) = problems(**{**NEEDED, name: value})
    assert (name in problem, says in problem) == (True, True)


def test_what_telemetry_is_told():
    settings = read_settings(NEEDED | OF_TELEMETRY | {"MCP_SIDECAR_STORE": "/var/lib/kong-mcp/store.db"})
    assert settings.telemetry == TelemetrySettings(
        b"c" * 32,
        "node-1",
        50,
        0,
        48,
        30,
        "/var/lib/kong-mcp/audit",
        True,
        Persons.HASHED,
        90,
        *(OF_TELEMETRY[f"MCP_SIDECAR_OTLP_{what}"] for what in ("TRACES", "METRICS")),
    )
