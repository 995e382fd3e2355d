"""What Kong's own log plugins write down, on a real Kong: file-log, on every route."""

import json

import pytest
import yaml

from e2e.harness import CONSUMERS, JSON_HEADERS, KINDS, POLICY, call, modern, start
from e2e.test_headers import SECRETS, message
from e2e.test_sessions import initialize
from house.test_readme import ENFORCED, block
from kong_mcp import dev
from mcp_core.methods import Era, Lane
from mcp_core.reasons import Ending
from mcp_core.record import Record
from servers.launch import wait_for, whole_lines

pytestmark = pytest.mark.skipif("kong" not in KINDS, reason="file-log is a plugin of Kong's: there is no `kong` here")


class Records:
    """The file of one file-log plugin."""

    def __init__(self, path):
        self._path = path

    def read(self):
        return [json.loads(line) for line in whole_lines(self._path)] if self._path.exists() else []

    def until(self, holds):
        """Wait until there are records for which something holds: Kong writes them after the answer."""
        return wait_for(lambda: [one for one in self.read() if holds(one)], lambda: str(self.read())[-2000:])


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Run a Kong with two of these: one as it is, and one with what the docs say for what the guard never sees."""
    folder = tmp_path_factory.mktemp("records")
    fields = yaml.safe_load(block("log fields", ENFORCED))["custom_fields_by_lua"]
    written = dev.write_state

    def write_state(*arguments, **options):
        path = written(*arguments, **options)
        state = yaml.safe_load(path.read_text())
        state.setdefault("plugins", []).append({"name": "file-log", "config": {"path": str(folder / "plain")}})
        for service in state["services"]:
            if service["name"] == "mcp-team":
                config = {"path": str(folder / "cleaned"), "custom_fields_by_lua": fields}
                service.setdefault("plugins", []).append({"name": "file-log", "config": config})
        path.write_text(yaml.safe_dump(state))
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dev, "write_state", write_state)
        with start("kong", {"notes": 1, "team": 1}, policy=POLICY, consumers=CONSUMERS) as running:
            yield running, Records(folder / "plain"), Records(folder / "cleaned")


@pytest.mark.requirement("GUARD-040")
@pytest.mark.requirement("GUARD-041")
def test_no_record_holds_a_credential_or_the_signed_context(logged):
    running, records, _ = logged
    url = running.url()
    listed = message("tools/list", _meta=modern("good")["json"]["params"]["_meta"])
    with running.client("bob") as client:
        client.headers.update(SECRETS)
        headers = initialize(client, url)
        client.post(url, json=call("good"), headers=headers)
        client.post(url, json=call("bad"), headers=headers)
        client.post(url, json=listed, headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"})
        client.post(url, content=b"{", headers=headers)
        client.post(url, json={"jsonrpc": "2.0", "method": "notifications/vendor"}, headers=headers)
        client.post(url, json=call("good"), headers=headers | {"Mcp-Affinity": "x"})
        with client.stream("GET", url, headers=headers | JSON_HEADERS | {"Accept": "text/event-stream"}):
            pass
        client.delete(url, headers=headers)
        client.put(url, headers=headers)
    records.until(lambda one: one["request"]["method"] == "PUT")
    found = [one for one in records.read() if one["request"]["uri"].startswith("/notes/mcp")]
    assert {one["request"]["method"] for one in found} == {"POST", "GET", "DELETE", "PUT"}
    text = json.dumps(records.read())
    assert "agents-own" not in text
    assert "bob-key" not in text
    contexts = [one["request"]["headers"].get("mcp-gateway-context") for one in found]
    assert {context for context in contexts if context} == {"REDACTED"}


@pytest.mark.requirement("GUARD-011")
def test_a_record_says_what_was_refused_and_to_whom(logged):
    running, records, _ = logged
    with running.client("ada") as client:
        client.post(running.url(), json=call("no_such_tool"))
    (record,) = records.until(lambda one: one.get("mcp", {}).get("name") == "no_such_tool")
    assert record["mcp"]["reason"] == "denied-item"
    assert (record["mcp"]["kind"], record["mcp"]["principal"], record["mcp"]["code"]) == ("policy", "ada", -32602)


@pytest.mark.requirement("GUARD-102")
def test_every_request_leaves_one_record_that_the_core_reads(logged):
    """An admitted call, in Lua; a list, by the guard; and both in one session, whose id no record holds."""
    running, records, _ = logged
    url = running.url()
    with running.client("ada") as client:
        headers = initialize(client, url)
        client.post(url, json=call("good"), headers=headers)
        client.post(url, json=message("tools/list"), headers=headers)
        client.delete(url, headers=headers)
    records.until(lambda one: one["request"]["method"] == "DELETE" and _principal(one) == "ada")
    found = [Record.from_json(one.get("mcp")) for one in records.read() if _principal(one) == "ada"]
    found = [one for one in found if one is not None and one.outcome is Ending.PASSED]
    assert [(one.method, one.name, one.lane, one.era) for one in found] == [
        ("initialize", None, Lane.INSPECT, Era.LEGACY),
        ("notifications/initialized", None, Lane.CALL, Era.LEGACY),
        ("tools/call", "good", Lane.CALL, Era.LEGACY),
        ("tools/list", None, Lane.INSPECT, Era.LEGACY),
        (None, None, Lane.CALL, Era.LEGACY),
    ]
    first, *others = (one.session for one in found)
    assert first is None
    assert len(set(others)) == 1
    assert None not in others


def _principal(one):
    return one.get("mcp", {}).get("principal")


@pytest.mark.requirement("GUARD-040")
def test_the_line_of_the_readme_cleans_the_records_of_what_the_guard_never_sees(logged):
    running, _, records = logged
    fields = yaml.safe_load(block("log fields", ENFORCED))["custom_fields_by_lua"]
    names = [name.removeprefix("request.headers.") for name in fields]
    secrets = dict.fromkeys(names, "agents-own")
    with running.client() as nobody:
        answer = nobody.post(running.url("team"), json=call("good"), headers=secrets | {"X-Tenant": "kept"})
    assert answer.status_code == 401
    (record,) = records.until(lambda one: one["request"]["headers"].get("x-tenant") == "kept")
    assert "agents-own" not in json.dumps(record)
