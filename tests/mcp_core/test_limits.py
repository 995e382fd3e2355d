"""What one body may hold: counted before anything looks at one of them, and never less than honest clients send."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from unittest import mock

import pytest
from core_cases import META, around, call, legacy, modern, modern_body, text
from hypothesis import given
from hypothesis import strategies as st

from mcp_core import counts, decide, jsonrpc
from mcp_core.counts import MOST_MEMBERS
from mcp_core.decide import Admitted, Caller, GuardTerms
from mcp_core.jsonrpc import DEFAULT_LIMITS, Limits, NotStrictError
from mcp_core.outcome import Reject
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY

LISTEN = "subscriptions/listen"
POLICY = Policy.from_config(
    {"tools": {"allow": ["*"]}, "resources": {"allow": ["*"], "deny": ["note://private/*", "*.key"]}}
)
MIB = 1024 * 1024


def decided(body, headers, *, limits=DEFAULT_LIMITS, enforce=True, open_task=decide._opens_nothing):
    caller = Caller(POLICY.view(NOBODY), open_task=open_task)
    return decide.decide_post(GuardTerms(POLICY, enforce=enforce, limits=limits), caller, headers, body)


def listen(uris, *, tasks=None, **more):
    wanted = {"resourceSubscriptions": uris} | ({} if tasks is None else {"taskIds": tasks})
    return decided(modern_body(LISTEN, {"notifications": wanted}), modern(LISTEN), **more)


@pytest.mark.requirement("RPC-013")
@pytest.mark.parametrize("enforce", [True, False])
@pytest.mark.parametrize(
    "uris",
    [
        pytest.param(["a:b"] * 1001, id="too many"),
        pytest.param([7] * 1001, id="too many that are none"),
        pytest.param(["note://h/" + "x" * 8000] * 17, id="too long together"),
        pytest.param(["note://h/" + "\ufdfa" * 200] * 100, id="too long together once they are folded"),
    ],
)
def test_a_subscription_to_too_much_is_refused_before_any_uri_is_looked_at(uris, enforce):
    with mock.patch.object(decide, "_authorise_item", side_effect=AssertionError("looked at")):
        refusal = listen(uris, enforce=enforce)
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.reason, refusal.http_status(), refusal.id) == (-32602, "listen", 400, 1)
    assert "limits.subscriptions" in refusal.message


@pytest.mark.requirement("RPC-013")
def test_a_subscription_to_too_many_tasks_is_refused_before_any_id_is_opened():
    opened = []
    for ids in (["x"] * 1001, ["x" * MIB, "y"]):
        refusal = listen([], tasks=ids, open_task=opened.append)
        assert isinstance(refusal, Reject)
        assert refusal.reason == "listen"
    assert opened == []


@pytest.mark.requirement("RPC-013")
def test_a_subscription_may_name_as_much_as_the_limit_says():
    uris = [f"note://shelf-{number:04}/" + "part/" * 20 for number in range(1000)]
    assert isinstance(listen(uris), Admitted)
    assert isinstance(listen(["note://private/x", *uris[1:]]), Reject)
    assert isinstance(listen([*uris, "a:b"]), Reject)
    assert isinstance(listen([*uris, "a:b"], limits=replace(DEFAULT_LIMITS, subscriptions=1001)), Admitted)
    assert isinstance(listen(["a:b", "c:d"], limits=replace(DEFAULT_LIMITS, subscriptions=1)), Reject)


def members(count):
    return {f"x-{number}": 0 for number in range(count)}


@pytest.mark.requirement("RPC-013")
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda count: call() | members(count - 4), id="the message"),
        pytest.param(lambda count: call(**members(count - 1)), id="its params"),
        pytest.param(lambda count: call(_meta=members(count)), id="_meta"),
        pytest.param(lambda count: call(ref=members(count)), id="a reference"),
    ],
)
def test_what_the_protocol_knows_has_so_many_members_at_most(make):
    assert isinstance(jsonrpc.parse(text(make(MOST_MEMBERS))), jsonrpc.Request)
    refusal = jsonrpc.parse(text(make(MOST_MEMBERS + 1)))
    assert isinstance(refusal, Reject)
    assert (refusal.code, refusal.http_status()) == (-32600, 400)
    assert str(MOST_MEMBERS) in refusal.message


@pytest.mark.requirement("RPC-013")
def test_notifications_have_so_many_members_at_most():
    wanted = modern_body(LISTEN, {"notifications": members(MOST_MEMBERS + 1)})
    refusal = decided(wanted, modern(LISTEN))
    assert isinstance(refusal, Reject)
    assert refusal.reason == "listen"


@pytest.mark.requirement("RPC-008")
@pytest.mark.parametrize(
    ("number", "most"), [("1e-9", counts._MOST_EXPONENTS), ("1e+300", counts._MOST_LARGE)], ids=["any", "large"]
)
def test_so_many_numbers_may_have_an_exponent(number, most):
    inside = "[" + ",".join([number] * most) + "]"
    assert len(jsonrpc.load(inside.encode())) == most
    with pytest.raises(NotStrictError, match=str(most)):
        jsonrpc.load(inside.replace("]", f",{number}]").encode())


@pytest.mark.requirement("RPC-008")
@pytest.mark.parametrize("number", ["1.8e308", "-1E+309", "1e00309", "2" * 210 + "e99", "9" * 280 + ".0e29"])
def test_an_infinite_number_is_found_among_others(number):
    others = ["1.7976931348623157e308", "1" * 209 + ".5", "0." + "7" * 297, "1e-400", '"1e999"', "0e999", "1e-0999"]
    assert isinstance(jsonrpc.load(f"[{','.join(others)}]".encode()), list)
    with pytest.raises(NotStrictError, match="beyond"):
        jsonrpc.load(f"[{','.join([*others, number, *others])}]".encode())


# Arguments of about 4 MB, as honest clients send them.
HONEST = {
    "a table of floats": lambda: [math.sqrt(number) for number in range(200_000)],
    "a table of small floats": lambda: [math.sqrt(number) * 1e-9 for number in range(1, 165_000)],
    "a table of short floats": lambda: [number % 100 / 4 for number in range(650_000)],
    "integers": lambda: [number % 10 for number in range(990_000)],
    "the largest float for nothing": lambda: [1.7976931348623157e308] * 19_000,
    "short strings": lambda: ["ab"] * 690_000,
    "records": lambda: [{"id": number, "name": "Ann", "at": [number / 7]} for number in range(33_000)],
    "base64": lambda: base64.b64encode(bytes(range(256)) * 12_000).decode(),
    "zeros in base64": lambda: base64.b64encode(b"\xd3M4" * 1_000_000).decode(),
    "hexadecimal digests": lambda: [f"{number * 0x9E3779B97F4A7C15:064x}" for number in range(60_000)],
    "source code": lambda: 'def total(items):\n\treturn "\\d{3}" + sum(items)  # [{:,}]\n' * 60_000,
    "emoji": lambda: "\U0001f600\u00e9" * 200_000,
}


@pytest.mark.requirement("RPC-008")
@pytest.mark.parametrize("make", HONEST.values(), ids=HONEST.keys())
def test_honest_calls_of_megabytes_pass_and_are_read_exactly(make):
    value = make()
    body = around(text(value))
    assert MIB // 3 < len(body) <= DEFAULT_LIMITS.body
    assert isinstance(decided(body, legacy("2025-03-26")), Admitted)
    assert jsonrpc.load(body)["params"]["arguments"]["a"] == value


def test_megabytes_are_admitted_in_the_modern_era_too():
    params = {"name": "open", "arguments": {"rows": [[0.25, "x"]] * 90_000}, "_meta": META}
    assert isinstance(decided(modern_body("tools/call", params), modern("tools/call", "open")), Admitted)


def within(body, limits):
    """Return whether a JSON text is within limits, read plainly: everything is looked at, one by one."""
    containers = keys = values = 0
    ok = True

    def number(digits):
        nonlocal ok
        ok = ok and len(digits) <= limits.digits
        return digits

    def real(digits):
        nonlocal ok
        ok = ok and math.isfinite(float(digits))
        return number(digits)

    def pairs_hook(pairs):
        nonlocal keys
        keys += len(pairs)
        return dict(pairs)

    rest = [json.loads(body, parse_int=number, parse_float=real, object_pairs_hook=pairs_hook)]
    while rest:
        one = rest.pop()
        if isinstance(one, (dict, list)):
            containers += 1
            values += max(0, len(one) - 1)
            rest.extend(one.values() if isinstance(one, dict) else one)
    return ok and max(containers, keys) <= limits.keys and values <= limits.values


NUMBERS = st.one_of(
    st.sampled_from(["0", "-0", "1e5", "1E+400", "1e-400", "-1e0400", "1.5e308", "1.9e308", "0e999", "1e+300", "12e2"]),
    st.builds(
        lambda digits, rest: "7" * digits + rest,
        st.sampled_from([1, 2, 3, 4, 98, 208, 209, 210, 211, 299, 300, 301, 309]),
        st.sampled_from(["", ".0", "e9", "e99", "e+99", "E-99", ".5e99", "e98", "e100"]),
    ),
)
STRINGS = st.lists(
    st.sampled_from([r"\"", r"\\", "{", "[", ":", ",", "1e999", "7" * 301, " ", "x", "\u00e9", r"\u0022", "}"]),
    max_size=4,
).map(lambda parts: '"' + "".join(parts) + '"')


def objects(inner):
    return st.lists(inner, max_size=4).map(
        lambda values: "{" + ",".join(f'"{number}:\\"": {one}' for number, one in enumerate(values)) + "}"
    )


TEXTS = st.recursive(
    st.one_of(NUMBERS, STRINGS, st.sampled_from(["true", "false", "null"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda values: "[" + ", ".join(values) + "]"), objects(inner)
    ),
    max_leaves=12,
)
LIMITS = st.builds(
    Limits,
    keys=st.integers(0, 6),
    values=st.integers(0, 8),
    digits=st.sampled_from([1, 2, 3, 4, 100, 210, 300, 400]),
)


@pytest.mark.requirement("RPC-008")
@given(TEXTS, LIMITS, st.integers(1, 24))
def test_what_is_counted_quickly_is_what_a_plain_reader_counts(source, limits, chunk):
    body = source.encode()
    with mock.patch.object(counts, "_CHUNK", chunk):
        if within(body, limits):
            assert jsonrpc.load(body, limits) == json.loads(body)
        else:
            with pytest.raises(NotStrictError):
                jsonrpc.load(body, limits)
