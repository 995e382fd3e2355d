"""Choosing targets: failover, health checks, hashing, and reloading while requests run."""

import threading
from collections import Counter
from itertools import pairwise

import pytest
from gateways import Gateway, Upstream, until

from kong_mcp.dev import free_port


@pytest.fixture
def pair():
    servers = [Upstream("one"), Upstream("two")]
    yield servers
    for server in servers:
        server.stop()


def document(ports, host="x.test", **upstream):
    targets = [{"target": f"127.0.0.1:{port}"} for port in ports]
    return {
        "services": [
            {
                "name": "s",
                "host": "pool",
                "retries": 5,
                "routes": [{"name": "r", "hosts": [host], "response_buffering": False}],
            }
        ],
        "upstreams": [{"name": "pool", "targets": targets, **upstream}],
    }


def names(gateway, count=20, **asked):
    return Counter(gateway.ask(**asked).headers["X-Upstream"] for _ in range(count))


@pytest.mark.requirement("KIT-007")
def test_every_request_is_answered_while_a_target_is_dead(kind, pair):
    with Gateway(kind, document([pair[0].port, free_port()])) as gateway:
        assert names(gateway) == {"one": 20}
        assert gateway.ask(method="POST", body=b"x").status == 200


@pytest.mark.requirement("KIT-007")
def test_a_request_that_was_sent_is_tried_again_only_where_that_is_safe(kind, pair):
    with Gateway(kind, document([pair[0].port])) as gateway:
        assert gateway.ask("/slam").status == 502
        assert pair[0].seen.count(("GET", "/slam")) == 6
        assert gateway.ask("/slam", "POST", body=b"x").status == 502
        assert pair[0].seen.count(("POST", "/slam")) == 1


@pytest.mark.requirement("KIT-008")
def test_passive_checks_take_a_target_out(kind, pair):
    checks = {"passive": {"unhealthy": {"http_failures": 2}}}
    with Gateway(kind, document([server.port for server in pair], healthchecks=checks)) as gateway:
        assert set(names(gateway)) == {"one", "two"}

        # Kong counts only once its timers have made the checker, and acts on what it counted a moment later: so the
        # failures go on until it has.
        def closed():
            answer = gateway.ask("/status/500")
            return answer.status == 503 and answer

        assert until(closed, 20, "the closed upstream").json["message"] == (
            "failure to get a peer from the ring-balancer"
        )
        assert all(server.seen.count(("GET", "/status/500")) >= 2 for server in pair)
        assert gateway.ask().status == 503


@pytest.mark.requirement("KIT-008")
def test_active_checks_take_a_target_out_and_bring_it_back(kind, pair):
    active = {
        "http_path": "/probe",
        "healthy": {"interval": 0.1, "successes": 1},
        "unhealthy": {"interval": 0.1, "http_failures": 1},
    }
    with Gateway(kind, document([server.port for server in pair], healthchecks={"active": active})) as gateway:
        assert set(names(gateway)) == {"one", "two"}
        pair[1].health = 500
        until(lambda: names(gateway, 6) == {"one": 6}, 10, "the sick target's absence")
        pair[1].health = 200
        until(lambda: set(names(gateway, 6)) == {"one", "two"}, 10, "the target's return")


def hashed(ports, header):
    return document(ports, algorithm="consistent-hashing", hash_on="header", hash_on_header=header)


def spread(gateway):
    return {session: names(gateway, 3, headers={"Mcp-Session-Id": f"session-{session}"}) for session in range(24)}


@pytest.mark.requirement("KIT-009")
def test_hashing_on_an_underscored_header_name_is_sticky_and_spreads(kind, pair):
    with Gateway(kind, hashed([server.port for server in pair], "mcp_session_id")) as gateway:
        found = spread(gateway)
        assert all(len(one) == 1 for one in found.values())
        assert {name for one in found.values() for name in one} == {"one", "two"}


@pytest.mark.requirement("KIT-009")
def test_hashing_on_a_hyphenated_header_name_puts_all_on_one_target(kind, pair):
    with Gateway(kind, hashed([server.port for server in pair], "Mcp-Session-Id")) as gateway:
        assert len({name for one in spread(gateway).values() for name in one}) == 1


@pytest.mark.requirement("KIT-010")
def test_least_connections_avoids_the_busy_target(kind, pair):
    with Gateway(kind, document([server.port for server in pair], algorithm="least-connections")) as gateway:
        waiting = threading.Thread(target=gateway.ask, args=("/hang",))
        waiting.start()
        busy = until(lambda: next((s for s in pair if ("GET", "/hang") in s.seen), None), 10, "the waiting request")
        assert names(gateway, 6) == {"two" if busy.name == "one" else "one": 6}
        for server in pair:
            server.release.set()
        waiting.join()


@pytest.mark.requirement("KIT-010")
def test_of_equally_busy_targets_the_one_that_was_not_just_used_is_next(kind, pair):
    ports = [server.port for server in pair]
    with Gateway(kind, document(ports, algorithm="least-connections")) as gateway:
        order = [gateway.ask().headers["X-Upstream"] for _ in range(8)]
    assert all(before != after for before, after in pairwise(order)), order


@pytest.mark.requirement("KIT-010")
def test_a_heavier_target_is_next_while_it_is_the_less_busy_for_its_weight(kind, pair):
    config = document([server.port for server in pair], algorithm="least-connections")
    config["upstreams"][0]["targets"][1]["weight"] = 900
    with Gateway(kind, config) as gateway:
        assert names(gateway, 6) == {"two": 6}


@pytest.mark.requirement("KIT-011")
def test_reloading_loses_no_request(kind, pair):
    first, second = document([pair[0].port]), document([pair[1].port])
    with Gateway(kind, first) as gateway:
        stop, statuses = threading.Event(), Counter()

        def load():
            while not stop.is_set():
                statuses[gateway.ask().status] += 1

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for document_ in (second, first, second):
            want = "one" if document_ is first else "two"
            assert gateway.load(document_)[0] == 201
            until(lambda want=want: gateway.ask().headers["X-Upstream"] == want, 20, "the new configuration")
        stop.set()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200}


@pytest.mark.requirement("KIT-011")
def test_a_bad_document_keeps_the_old_configuration(kind, pair):
    with Gateway(kind, document([pair[0].port])) as gateway:
        status, answer = gateway.load({"services": [{"name": "s", "hots": "typo"}]})
        assert (status, "hots" in answer) == (400, True)
        assert gateway.ask().status == 200


def test_sigterm_ends_everything_with_status_0(pair):
    gateway = Gateway("devkit", document([pair[0].port]), plugins=["probe"]).start()
    assert gateway.stop() == 0
