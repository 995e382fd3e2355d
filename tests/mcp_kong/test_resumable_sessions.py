"""Sessions that may be opened again go through the sidecar, which is told with what; all others as they did."""

import json
import secrets
import time

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from mcp_core.claims import ClaimSigner
from mcp_core.principal import consumer
from mcp_core.seal import Session, SessionSealer
from mcp_kong.guard import Guard

HEADERS = {"content-type": "application/json", "mcp-protocol-version": "2025-11-25", **ANNS_HEADERS}
CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "open"}}).encode()
ROUTE = {"id": "r-1", "methods": ["POST", "GET", "DELETE"]}
RESUMES = CONFIG | {"repeat": {"sessions": "resume"}}


def access(config, hello, data=CALL, http_method="POST"):
    session = Session("notes", consumer("ann"), "up-1", "a1", int(time.time()), hello)
    token = SessionSealer((KEY,), AESGCM, InvalidTag).seal(session, secrets.token_bytes(12))
    side = KongSide(data, HEADERS | {"mcp-session-id": token}, consumer=ANN, http_method=http_method, route=ROUTE)
    Guard(config).access(side.pdk)
    assert side.exit is None
    return side


@pytest.mark.requirement("LIVE-101")
@pytest.mark.parametrize(("data", "http_method"), [(CALL, "POST"), (b"", "DELETE")])
def test_what_belongs_to_a_session_that_may_be_opened_again_goes_through_the_sidecar(data, http_method):
    side = access(RESUMES, '{"protocolVersion":"2025-11-25"}', data, http_method)
    claims, target = ClaimSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time())
    assert (target.session, target.hello) == ("up-1", '{"protocolVersion":"2025-11-25"}')
    assert claims.terms.inspection.resumes


@pytest.mark.requirement("LIVE-101")
@pytest.mark.parametrize(("config", "hello"), [(CONFIG, "{}"), (RESUMES, None)], ids=["another policy", "no record"])
def test_all_other_sessions_take_the_call_lane(config, hello):
    assert "mcp-gateway-context" not in access(config, hello).next_hop
