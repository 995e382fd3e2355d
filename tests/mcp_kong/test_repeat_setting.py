"""The guard's setting `repeat`: only approved hints count, so it needs pins."""

import base64

import pytest

from mcp_kong.settings import read_settings
from mcp_kong.settings_error import SettingsError

ENVIRONMENT = {"KONG_MCP_KEYS": base64.b64encode(b"k" * 32).decode(), "KONG_MCP_SNAPSHOT": "/nowhere"}
CONFIG = {"server": "notes", "upstream": "mcp-notes"}
PINS = {"pins": {"mode": "enforce"}}


@pytest.mark.requirement("LIVE-005")
@pytest.mark.parametrize(
    "config",
    [
        {"repeat": {"calls": "hinted"}},
        {"repeat": {"calls": "all"}, **PINS},
        {"repeat": {"calls": True}, **PINS},
        {"repeat": {"lists": "hinted"}, **PINS},
        {"repeat": "hinted", **PINS},
        {"repeat": {"sessions": "again"}},
        {"repeat": {"sessions": True}},
    ],
)
def test_what_cannot_hold_is_refused(config):
    with pytest.raises(SettingsError, match=r"config\.repeat"):
        read_settings(CONFIG | config, ENVIRONMENT)


@pytest.mark.requirement("LIVE-005")
@pytest.mark.parametrize(
    ("config", "repeats"),
    [
        ({}, False),
        ({"repeat": None}, False),
        ({"repeat": {"calls": False}}, False),
        ({"repeat": {"calls": "hinted"}, **PINS}, True),
    ],
)
def test_nothing_is_repeated_unless_it_says_so(config, repeats):
    assert read_settings(CONFIG | config, ENVIRONMENT).guard.inspection.repeats is repeats


@pytest.mark.requirement("LIVE-101")
@pytest.mark.parametrize(
    ("config", "resumes"),
    [
        ({}, False),
        ({"repeat": {"sessions": False}}, False),
        ({"repeat": {"calls": "off"}}, False),
        ({"repeat": {"sessions": "resume"}}, True),
    ],
)
def test_no_session_is_opened_again_unless_it_says_so(config, resumes):
    assert read_settings(CONFIG | config, ENVIRONMENT).guard.inspection.resumes is resumes
