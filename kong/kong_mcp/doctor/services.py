"""Checks of what is asked over HTTP, and of the keys: sidecar, clock, Admin API, decK files."""

from __future__ import annotations

import email.utils
import hmac
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from kong_mcp.doctor.finding import CheckResult, fail, ok, warn
from kong_mcp.doctor.place import Installation
from kong_mcp.share import deck_folder
from mcp_core.seal import KeyRingError, parse_keys
from mcp_kong.settings import KEYS_VARIABLE

LISTEN: Final = "MCP_SIDECAR_LISTEN"
_LISTEN_DEFAULT: Final = "127.0.0.1:8790"
_SECONDS: Final = 5.0
_CLOCK_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """Status, body and Date header of an answer."""

    status: int
    body: bytes
    date: str | None


def get(url: str) -> ServiceAnswer | str:
    """Ask with a GET; return the answer, whatever its status, or why there is none."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=_SECONDS) as answer:
            return ServiceAnswer(answer.status, answer.read(1 << 20), answer.headers["Date"])
    except urllib.error.HTTPError as error:
        with error:
            return ServiceAnswer(error.code, error.read(1 << 20), error.headers["Date"])
    except (OSError, http.client.HTTPException, ValueError) as error:
        return str(getattr(error, "reason", error))


def check_keys(place: Installation) -> CheckResult:
    """Hold the keys of guard and sidecar to each other. None is ever told."""
    rings = []
    for name, environment in (("guard", place.guard), ("sidecar", place.sidecar)):
        try:
            rings.append(parse_keys(environment.get(KEYS_VARIABLE, "")))
        except KeyRingError as error:
            return fail("keys", f"{KEYS_VARIABLE} of the {name}: {error}", f"give the {name} the keys that both share")
    guard, sidecar = rings
    if not any(hmac.compare_digest(guard[0], key) for key in sidecar):
        return fail("keys", "the sidecar does not know the key by which the guard signs", "give both the same keys")
    if not any(hmac.compare_digest(sidecar[0], key) for key in guard):
        return fail("keys", "the guard does not know the key by which the sidecar signs", "give both the same keys")
    return ok("keys", f"guard and sidecar share their keys ({len(guard)} and {len(sidecar)})")


def check_key_files(*paths: Path) -> CheckResult:
    """Say whether others may read the files that hold keys."""
    open_ones = [str(path) for path in paths if path.is_file() and path.stat().st_mode & 0o007]
    if open_ones:
        return warn("key files", f"everybody may read {', '.join(open_ones)}", f"chmod o= {' '.join(open_ones)}")
    return ok("key files", "nobody else may read them")


def check_sidecar(place: Installation) -> list[CheckResult]:
    """Say whether the sidecar is alive, and whether it is ready."""
    url = _sidecar_url(place)
    live = get(f"{url}/livez")
    if isinstance(live, str) or live.status != 200:
        why = live if isinstance(live, str) else f"HTTP {live.status}"
        return [fail("sidecar", f"{url}/livez: {why}: lists are 503", "start it (mcp-sidecar serve), and see its log")]
    ready = get(f"{url}/readyz")
    if isinstance(ready, str):
        return [fail("sidecar", f"{url}/readyz: {ready}", "see its log")]
    told = _object(ready.body)
    problems = "; ".join(f"{name}: {text}" for name, text in told.get("problems", {}).items())
    warnings = "; ".join(f"{name}: {text}" for name, text in told.get("warnings", {}).items())
    if ready.status != 200:
        return [
            fail(
                "sidecar",
                f"it is alive, and not ready: {problems or ready.status}",
                "see its log, and mend what it names",
            )
        ]
    if told.get("release", own := version("kong-mcp")) != own:
        return [
            warn("sidecar", f"it is of release {told['release']}, and this is {own}", "restart it with this release")
        ]
    if warnings:
        return [warn("sidecar", f"it is ready, with warnings: {warnings}", "see its log")]
    return [ok("sidecar", f"it is alive and ready at {url}")]


def check_clock(place: Installation) -> CheckResult:
    """Compare this clock with Kong's and the sidecar's, by the Date of their answers: what they sign is short-lived."""
    kong = [url for name in ("status_listen", "admin_listen", "proxy_listen") if (url := listener(place, name))]
    agree = []
    for who, urls in (("Kong", kong), ("the sidecar", [f"{_sidecar_url(place)}/livez"])):
        apart = next((seconds for url in urls if (seconds := _apart(url)) is not None), None)
        if apart is not None and apart > _CLOCK_SECONDS:
            return fail(
                "clock", f"the clocks of {who} and this are {apart:.0f} s apart", "have all machines follow NTP"
            )
        agree += [who] if apart is not None else []
    if "Kong" not in agree:
        return warn("clock", "Kong answers nowhere, so its clock was not compared", "start Kong")
    return ok("clock", f"the clocks of {' and '.join(agree)} agree with this one")


def _apart(url: str) -> float | None:
    """Return by how many seconds the clock of what answers there differs, None if nothing says."""
    answer = get(url)
    if isinstance(answer, str) or answer.date is None:
        return None
    try:
        return abs(time.time() - email.utils.parsedate_to_datetime(answer.date).timestamp())
    except ValueError:
        return None


def _sidecar_url(place: Installation) -> str:
    return f"http://{place.sidecar.get(LISTEN) or _LISTEN_DEFAULT}"


def listener(place: Installation, name: str) -> str | None:
    """Return the URL of the first plain listener of a kong.conf key, None if it is off."""
    defaults = {"proxy_listen": "127.0.0.1:8000", "admin_listen": "127.0.0.1:8001"}
    for one in place.kong.get(name, defaults.get(name, "off")).split(","):
        words = one.split()
        if words and words[0] != "off" and not {"ssl", "http2"} & set(words[1:]):
            return "http://" + words[0].replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104 - read, not bound
    return None


def check_admin(place: Installation, given: str | None) -> CheckResult:
    """Say whether decK can reach the Admin API, and whether the Kong that runs has the guard."""
    url = given or listener(place, "admin_listen")
    if url is None:
        return ok("admin", "the Admin API is off: decK renders a file for this Kong")
    answer = get(f"{url}/")
    if isinstance(answer, str):
        return fail("admin", f"{url}: {answer}", "start Kong, or name its Admin API: --admin URL")
    if answer.status == 500 and place.start is not None:
        return fail(
            "admin", f"GET {url}/ is 500, so decK fails", "remove pluginserver_mcp_guard_start_cmd, restart Kong"
        )
    if answer.status != 200:
        return fail("admin", f"GET {url}/ is {answer.status}", "see Kong's error log")
    told = _object(answer.body)
    if "mcp-guard" not in told.get("plugins", {}).get("available_on_server", {}):
        return fail("admin", "the Kong that runs has no mcp-guard", "restart Kong: it reads kong.conf when it starts")
    return ok("admin", f"Kong {told.get('version')} answers at {url}, and has mcp-guard")


def check_deck(files: Sequence[Path], environment: Mapping[str, str]) -> CheckResult:
    """Render the decK files, and hold them to the ruleset."""
    program = shutil.which("deck", path=environment.get("PATH"))
    if not files:
        return warn("decK files", "none were named", "name them: --deck deck/shared.yaml --deck deck/servers")
    if program is None:
        return warn("decK files", "there is no deck on the PATH", "install decK 1.64 or later")
    with tempfile.TemporaryDirectory(prefix="kong-mcp-") as folder:
        state = Path(folder) / "state.yaml"
        state.touch(mode=0o600)
        for command in (
            [program, "file", "render", *map(str, files), "--output-file", str(state)],
            [program, "file", "lint", "--state", str(state), str(deck_folder() / "lint.yaml")],
        ):
            done = subprocess.run(  # noqa: S603 - decK itself, no shell
                command, capture_output=True, text=True, check=False, env={**environment, "DECK_ANALYTICS": "false"}
            )
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()
                return fail("decK files", " ".join(said)[:500], "correct the files; deck file lint shows all")
    return ok("decK files", "they render, and deck/lint.yaml finds nothing")


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def who_runs() -> CheckResult:
    """Say whether this can see what nginx's user sees."""
    if os.geteuid() == 0:
        return ok("doctor", "it runs as root, and tries what must work for nginx's user as that user")
    return warn("doctor", "it runs as one user, and cannot try things as nginx's", "run it as root")
