"""Kong's own rate limit counts per tool, by what docs/telemetry.md says."""

import re
from pathlib import Path

import pytest
import yaml

from e2e.harness import KINDS, modern, start
from kong_mcp import dev

PAGE = Path(__file__).resolve().parents[2] / "docs/telemetry.md"


@pytest.mark.skipif("kong" not in KINDS, reason="rate-limiting is a plugin of Kong's: there is no `kong` here")
@pytest.mark.requirement("GUARD-011")
def test_a_tool_has_a_quota_of_its_own(monkeypatch):
    plugin = yaml.safe_load(re.search(r"<!-- tested: quota -->\n```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    plugin["config"]["minute"] = 3
    written = dev.write_state

    def write_state(*arguments, **options):
        path = written(*arguments, **options)
        state = yaml.safe_load(path.read_text())
        for service in state["services"]:
            if service["name"] == "mcp-notes":
                service.setdefault("plugins", []).append(plugin)
        path.write_text(yaml.safe_dump(state))
        return path

    monkeypatch.setattr(dev, "write_state", write_state)
    with start("kong", {"notes": 1}) as running, running.client("ada") as client:
        statuses = [client.post(running.url(), **modern("good")).status_code for _ in range(8)]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) <= 6  # a minute may end in between
        assert client.post(running.url(), **modern("bad")).status_code == 200
