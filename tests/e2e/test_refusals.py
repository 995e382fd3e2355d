"""Refused requests have a limit of their own, on a whole gateway: Kong's rate limiting never sees them."""

import pytest

from e2e.harness import CONSUMERS, KINDS, call, modern, start

POLICY = {"tools": {"allow": ["good"]}, "limits": {"refusals": 2}}
WORKERS = 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("who", ["bob", None])
@pytest.mark.requirement("GUARD-042")
def test_who_tries_names_hears_429_and_still_calls_what_is_allowed(kind, who):
    consumers = CONSUMERS if who else []
    with start(kind, {"notes": 1}, policy=POLICY, consumers=consumers) as running, running.client(who) as client:
        # Each worker of the plugin server counts its own, and a minute may end meanwhile.
        answers = [client.post(running.url(), json=call("bad")) for _ in range(2 * (WORKERS * 2 + 1))]
        assert client.post(running.url(), **modern("good")).status_code == 200
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 429}
    late = answers[statuses.index(429)]
    assert late.json()["error"]["code"] == -32004
    assert 1 <= int(late.headers["retry-after"]) <= 60
