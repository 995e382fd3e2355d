"""The settings of the second reader: what it needs, and what is refused."""

from __future__ import annotations

import base64

import pytest

from mcp_sidecar.second.settings import SecondReaderSettings
from mcp_sidecar.settings import SettingsError, read_settings

NEEDED = {"KONG_MCP_KEYS": base64.b64encode(b"k" * 32).decode()}
OF_SECOND = {
    "MCP_SIDECAR_SECOND_READER_URL": "http://127.0.0.1:11434/v1/chat/completions",
    "MCP_SIDECAR_SECOND_READER_MODEL": "qwen3:8b",
    "MCP_SIDECAR_SECOND_READER_KEY": "k" * 24,
    "MCP_SIDECAR_SECOND_READER_TIMEOUT": "5",
    "MCP_SIDECAR_SECOND_READER_DAILY": "50",
}


def problems(**environment):
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return caught.value.problems


@pytest.mark.requirement("READ2-405")
def test_a_second_reader_has_a_model_a_store_and_a_bound():
    settings = read_settings(NEEDED | OF_SECOND | {"MCP_SIDECAR_STORE": "/var/lib/kong-mcp/store.db"})
    url = OF_SECOND["MCP_SIDECAR_SECOND_READER_URL"]
    assert settings.second == SecondReaderSettings(url, "qwen3:8b", "k" * 24, 5, 50)
    assert "kkkk" not in repr(settings)
    assert problems(**NEEDED | OF_SECOND)[0].startswith("MCP_SIDECAR_STORE is not set")
    nameless = {name: value for name, value in OF_SECOND.items() if not name.endswith("MODEL")}
    assert problems(**NEEDED | nameless)[0].startswith("MCP_SIDECAR_SECOND_READER_MODEL is not set")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "ftp://x/"),
        ("URL", "http://user:pass@x/"),
        ("URL", "http://x:0/"),
        ("MODEL", ""),
        ("KEY", "a b"),
        ("TIMEOUT", "0"),
        ("DAILY", "0"),
        ("DAILY", "1000000"),
    ],
)
@pytest.mark.requirement("READ2-405")
def test_a_second_reader_that_cannot_be_is_named(name, value):
    variable = f"MCP_SIDECAR_SECOND_READER_{name}"
    assert [problem.split(":")[0] for problem in problems(**NEEDED | {variable: value})] == [variable]
