"""What Kong's log records hold of access tokens: who called and why not, and nothing of a token."""

import json

import pytest
import yaml

from e2e.harness import KINDS, modern
from e2e.test_kong_records import Records
from e2e.tokens import kit_gateway
from kong_mcp import dev

pytestmark = pytest.mark.skipif("kong" not in KINDS, reason="file-log is a plugin of Kong's: there is no `kong` here")


@pytest.mark.requirement("AUTH-001")
@pytest.mark.requirement("AUTH-011")
def test_records_say_who_called_and_hold_nothing_of_a_token(tmp_path, monkeypatch):
    written = dev.write_state

    def write_state(*arguments, **options):
        path = written(*arguments, **options)
        state = yaml.safe_load(path.read_text())
        state.setdefault("plugins", []).append({"name": "file-log", "config": {"path": str(tmp_path / "records")}})
        path.write_text(yaml.safe_dump(state))
        return path

    monkeypatch.setattr(dev, "write_state", write_state)
    records = Records(tmp_path / "records")
    asked = modern("bad")
    with kit_gateway("kong") as gateway:
        good = gateway.kit.token()
        tokens = [good, gateway.kit.token(key="stranger"), gateway.kit.token(exp=5)]
        for token in tokens:
            with gateway.client(token) as client:
                client.post(gateway.url, **modern("good"))
                client.post(gateway.url, **asked)
        with gateway.client() as client:
            client.post(f"{gateway.url}?access_token={good}", **asked)
            client.post(gateway.url, headers={"Authorization": f"DPoP {good}", "DPoP": good}, json={})
            client.put(gateway.url)
        records.until(lambda one: one["request"]["method"] == "PUT")
        found = records.read()
    refused = {one["mcp"]["reason"]: one["mcp"].get("principal") for one in found if "reason" in one.get("mcp", {})}
    assert refused["denied-item"] == f"ann of {gateway.kit.issuer}"
    assert {"token-unknown-key", "token-expired", "token-in-query", "token-scheme", "no-token"} <= refused.keys()
    text = json.dumps(found)
    for part in {part for token in tokens for part in token.split(".")[1:]}:
        assert part not in text
