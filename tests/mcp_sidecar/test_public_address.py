"""Where agents and people reach the gateway: one variable, whose old name is read too."""

import base64

import pytest

from mcp_sidecar.settings import SettingsError, read_settings

NEEDED = {"KONG_MCP_KEYS": base64.b64encode(bytes(32)).decode()}


def problems(environment):
    with pytest.raises(SettingsError) as caught:
        read_settings(NEEDED | environment)
    return caught.value.problems


@pytest.mark.requirement("SHIP-303")
def test_the_old_name_of_the_gateway_s_address_is_read_with_a_warning():
    settings = read_settings(NEEDED | {"MCP_SIDECAR_PORTAL_URL": "https://gateway.example/"})
    assert (settings.portal.url, settings.catalog.public_url) == ("https://gateway.example",) * 2
    (warning,) = settings.warnings
    assert "write MCP_SIDECAR_PUBLIC_URL" in warning
    both = {"MCP_SIDECAR_PORTAL_URL": "https://gateway.example/", "MCP_SIDECAR_PUBLIC_URL": "https://gateway.example"}
    assert read_settings(NEEDED | both) == settings


@pytest.mark.requirement("SHIP-303")
def test_old_and_new_name_that_say_different_things_are_a_problem_and_what_is_wrong_is_found_by_the_old_name():
    both = {"MCP_SIDECAR_PORTAL_URL": "https://other.example", "MCP_SIDECAR_PUBLIC_URL": "https://gateway.example"}
    assert "take MCP_SIDECAR_PORTAL_URL away" in problems(both)[0]
    assert "MCP_SIDECAR_PORTAL_URL is an old name" in problems({"MCP_SIDECAR_PORTAL_URL": "gateway"})[-1]


@pytest.mark.requirement("SHIP-303")
@pytest.mark.parametrize("address", ["https://gateway.example/mcp", "https://a;b", "https://a,b"])
def test_an_address_that_is_none_of_a_portal_has_a_registry_and_no_portal(address):
    settings = read_settings(NEEDED | {"MCP_SIDECAR_PUBLIC_URL": address})
    assert (settings.portal.url, settings.catalog.public_url) == (None, address)
    (problem,) = problems({"MCP_SIDECAR_PUBLIC_URL": address, "MCP_SIDECAR_PORTAL_LINKS": "/var/lib/links"})
    assert "has a path" in problem
