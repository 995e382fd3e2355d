from __future__ import annotations

import json

import pytest
from core_cases import (
    CAPABILITIES_KEY,
    LEGACY,
    META,
    MODERN,
    PLAIN,
    VERSION_KEY,
    call,
    legacy,
    modern,
    modern_body,
    note,
    request,
    text,
)

from mcp_core import envelope
from mcp_core.envelope import Envelope
from mcp_core.jsonrpc import DEFAULT_LIMITS
from mcp_core.methods import Era
from mcp_core.outcome import Reject

BATCH = text([call("open"), call("shut") | {"id": 2}])


def read(headers, body):
    return envelope.read(headers, body, DEFAULT_LIMITS)


@pytest.mark.requirement("ENV-001")
def test_without_a_version_header_it_is_2025_03_26():
    assert read(legacy(None), PLAIN).version == "2025-03-26"


@pytest.mark.parametrize("version", LEGACY)
def test_every_legacy_revision_is_read(version):
    one = read(legacy(version, mcp_session_id="s"), PLAIN)
    assert isinstance(one, Envelope)
    assert (one.era, one.version, one.session) == (Era.LEGACY, version, "s")


def test_the_modern_revision_is_read():
    one = read(modern("tools/call", "open"), modern_body("tools/call", {"name": "open"}))
    assert isinstance(one, Envelope)
    assert (one.era, one.version, one.session) == (Era.MODERN, MODERN, None)


@pytest.mark.requirement("ENV-002")
@pytest.mark.parametrize("version", ["2099-01-01", "", "2025-11-25, 2025-11-25", "2026-07-28 ", "DRAFT-2026-v1"])
def test_an_unknown_revision_says_what_is_supported(version):
    refusal = read(legacy(version), PLAIN)
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 400
    error = json.loads(refusal.body())
    assert error["id"] == 1
    assert error["error"]["code"] == -32022
    assert error["error"]["data"] == {"supported": [MODERN, *reversed(LEGACY)], "requested": version}


@pytest.mark.requirement("ENV-002")
def test_who_speaks_the_modern_era_is_told_its_revisions():
    refusal = read(legacy("v999.0.0"), modern_body("server/discover", {}))
    assert isinstance(refusal, Reject)
    assert refusal.data == {"supported": [MODERN], "requested": "v999.0.0"}


@pytest.mark.requirement("ENV-003")
@pytest.mark.parametrize(
    "params",
    [
        pytest.param({}, id="no _meta"),
        pytest.param({"_meta": None}, id="_meta null"),
        pytest.param({"_meta": {}}, id="_meta empty"),
        pytest.param({"_meta": {VERSION_KEY: MODERN}}, id="no capabilities"),
        pytest.param({"_meta": {CAPABILITIES_KEY: {}}}, id="no version"),
        pytest.param({"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: []}}, id="capabilities in a list"),
        pytest.param({"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: None}}, id="capabilities null"),
    ],
)
def test_a_modern_request_without_its_meta_is_refused(params):
    refusal = read(modern("tools/list"), text(request("tools/list", params)))
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status(), refusal.id) == (-32602, 400, 1)


def with_version(version):
    return text(call() | {"params": {"name": "open", "_meta": {VERSION_KEY: version, CAPABILITIES_KEY: {}}}})


# sentence -> headers, body
DISAGREEING = {
    "a modern header over a body of another version": (modern("tools/call", "open"), with_version("2025-11-25")),
    "a modern header over a version that is no string": (modern("tools/call", "open"), with_version(20260728)),
    "a legacy header over a modern body": (legacy("2025-11-25"), with_version(MODERN)),
    "a legacy header over a body whose version is null": (legacy("2025-11-25"), with_version(None)),
    "no version header over a modern body": (legacy(None), with_version(MODERN)),
    "no version header over a batch with a modern body": (legacy(None), b"[" + with_version(MODERN) + b"]"),
    "another method, modern": (modern("tools/list", "open"), with_version(MODERN)),
    "another method, legacy": (legacy(mcp_method="tools/list"), PLAIN),
    "the method in other case": (modern("Tools/Call", "open"), with_version(MODERN)),
    "the method encoded, which only names may be": (
        modern("=?base64?dG9vbHMvY2FsbA==?=", "open"),
        with_version(MODERN),
    ),
    "another name, modern": (modern("tools/call", "shut"), with_version(MODERN)),
    "another name, legacy": (legacy(mcp_name="shut"), PLAIN),
    "another name, encoded": (modern("tools/call", "=?base64?c2h1dA==?="), with_version(MODERN)),
    "the name with a blank": (modern("tools/call", "open "), with_version(MODERN)),
    "two names joined by a comma": (modern("tools/call", "open, open"), with_version(MODERN)),
    "a name where the body has none, modern": (modern("tools/list", "open"), modern_body("tools/list")),
    "a name where the body has none, legacy": (legacy(mcp_name="open"), text(request("tools/list"))),
    "a name where the body's is no string": (modern("tools/call", "7"), modern_body("tools/call", {"name": 7})),
    "a method over a batch": (legacy("2025-03-26", mcp_method="tools/call"), BATCH),
    "the batch's own word over a batch": (legacy("2025-03-26", mcp_method="batch"), BATCH),
    "a name over a batch": (legacy("2025-03-26", mcp_name="open"), BATCH),
    "a method over an answer": (legacy(mcp_method="response"), text({"jsonrpc": "2.0", "id": 1, "result": {}})),
    "another method over a modern notification": (
        modern("notifications/progress"),
        text(note("notifications/cancelled")),
    ),
    "another version in a modern notification": (
        legacy(MODERN),
        text(note("notifications/cancelled", {"_meta": META | {VERSION_KEY: "2025-11-25"}})),
    ),
}


@pytest.mark.requirement("ENV-004")
@pytest.mark.parametrize(("headers", "body"), DISAGREEING.values(), ids=DISAGREEING.keys())
def test_headers_and_body_that_disagree_are_refused(headers, body):
    refusal = read(headers, body)
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status()) == (-32020, 400)


@pytest.mark.requirement("ENV-005")
@pytest.mark.parametrize("missing", ["mcp-method", "mcp-name"])
def test_a_modern_call_without_a_required_header_is_refused(missing):
    headers = modern("tools/call", "open")
    del headers[missing]
    refusal = read(headers, with_version(MODERN))
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status(), refusal.id) == (-32020, 400, 1)
    assert missing in refusal.message


@pytest.mark.requirement("ENV-005")
def test_a_modern_notification_needs_no_headers():
    assert isinstance(read(legacy(MODERN), text(note("notifications/cancelled"))), Envelope)


@pytest.mark.requirement("ENV-004")
def test_an_encoded_name_is_compared_decoded():
    body = modern_body("tools/call", {"name": "\u00f6ffnen"})
    assert isinstance(read(modern("tools/call", "=?base64?w7ZmZm5lbg==?="), body), Envelope)


@pytest.mark.requirement("ENV-006")
@pytest.mark.parametrize("version", [None, "2024-11-05", "2025-03-26"])
def test_batches_pass_where_they_exist(version):
    one = read(legacy(version), BATCH)
    assert isinstance(one, Envelope)
    assert one.batch
    assert len(one.messages) == 2


@pytest.mark.requirement("ENV-006")
@pytest.mark.requirement("ENV-007")
@pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25", MODERN, "2099-01-01"])
def test_batches_are_refused_elsewhere(version):
    refusal = read(legacy(version), BATCH)
    assert isinstance(refusal, Reject)
    assert refusal.http_status() == 400


@pytest.mark.requirement("ENV-006")
def test_initialize_does_not_stand_in_a_batch():
    refusal = read(legacy("2025-03-26"), text([call("open"), request("initialize", {}, 5)]))
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.id) == (-32600, 5)


@pytest.mark.requirement("ENV-007")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(legacy(MODERN), text({"jsonrpc": "2.0", "id": 1, "result": {}}), id="an answer"),
    ],
)
def test_the_modern_era_has_no_answers(headers, body):
    refusal = read(headers, body)
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status()) == (-32600, 400)


@pytest.mark.requirement("ENV-007")
def test_a_session_id_means_nothing_in_the_modern_era():
    headers = modern("tools/call", "open", mcp_session_id="s")
    assert read(headers, modern_body("tools/call", {"name": "open"})).session is None
