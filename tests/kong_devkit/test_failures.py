"""A plugin server that is dead, frozen or absent: the gateway answers 500 and nothing reaches the upstream."""

import contextlib
import json
import os
import re
import signal

import pytest
from gateways import Gateway, Upstream, until


def document(port, **config):
    route = {"name": "guarded", "hosts": ["x.test"], "plugins": [{"name": "probe", "config": config}]}
    return {"services": [{"name": "s", "host": "127.0.0.1", "port": port, "routes": [route]}]}


@pytest.fixture
def quiet():
    server = Upstream("quiet")
    yield server
    server.stop()


def log_of(gateway):
    kong = gateway.folder / "p/logs/error.log"
    return (kong if kong.exists() else gateway.log).read_text()


def server_pids(gateway):
    return [int(pid) for pid in re.findall(r"\[probe:(\d+)\] odd server listening", log_of(gateway))]


@pytest.mark.requirement("KIT-004")
def test_a_killed_plugin_server_closes_the_route_until_it_is_back(kind, quiet):
    with Gateway(kind, document(quiet.port), plugins=["probe"]) as gateway:
        assert gateway.ask().status == 200
        first = until(lambda: server_pids(gateway), 10, "the plugin server's first line")
        os.kill(first[0], signal.SIGKILL)
        before = len(quiet.seen)
        assert gateway.ask().status == 500
        assert len(quiet.seen) == before
        until(lambda: len(server_pids(gateway)) > 1, 10, "the respawned plugin server")

        def open_again():
            # A Kong whose StartInstance was cut off waits 10 s for the claim on the instance.
            with contextlib.suppress(TimeoutError):
                return gateway.ask().status == 200

        until(open_again, 60, "the opened route")


@pytest.mark.requirement("KIT-004")
def test_a_frozen_plugin_server_closes_the_route_after_the_read_timeout(kind, quiet):
    timeout = "nginx_http_lua_socket_read_timeout = 500ms"
    with Gateway(kind, document(quiet.port, mischief="freeze"), plugins=["probe"], extra=timeout) as gateway:
        answer = gateway.ask(timeout=10)
        assert (answer.status, answer.json["message"]) == (500, "An unexpected error occurred")
        assert quiet.seen == []


@pytest.mark.requirement("KIT-004")
def test_a_plugin_server_that_never_started_keeps_the_route_closed(kind, quiet):
    with Gateway(kind, document(quiet.port), plugins=["probe"], serve=False) as gateway:
        assert gateway.ask().status == 500
        assert quiet.seen == []


@pytest.mark.requirement("KIT-004")
def test_a_plugin_that_kills_its_server_closes_only_its_own_request(quiet):
    with Gateway("devkit", document(quiet.port, mischief="die"), plugins=["probe"]) as gateway:
        assert gateway.ask().status == 500
        assert quiet.seen == []
        assert gateway.ask(host="unknown.test").status == 404


def test_what_was_sent_is_written_down_after_the_response(kind, quiet, tmp_path):
    target = tmp_path / "log.jsonl"
    step = ["kong.log.set_serialize_value", "KV", {"k": "tool.name", "v": "add"}, "Empty"]
    log = {"path": str(target), "reopen": True, "custom_fields_by_lua": {"request.headers.x-secret": "return nil"}}
    declared = document(quiet.port, steps=json.dumps([step]))
    with Gateway(kind, {**declared, "plugins": [{"name": "file-log", "config": log}]}, plugins=["probe"]) as gateway:
        assert gateway.ask("/a?b=1", headers={"Authorization": "secret", "X-Secret": "secret"}).status == 200
        until(lambda: target.exists() and "/a?b=1" in target.read_text(), 10, "the log line")
    text = next(line for line in target.read_text().splitlines() if "/a?b=1" in line)
    found = json.loads(text)
    assert found["response"]["status"] == 200
    assert found["tool"] == {"name": "add"}
    assert found["request"]["headers"]["authorization"] == "REDACTED"
    assert '"secret"' not in text
    assert (found["request"]["uri"], found["route"]["name"], found["service"]["name"]) == ("/a?b=1", "guarded", "s")
    assert len(found["tries"]) == 1


def test_what_a_plugin_is_started_with(kind, quiet):
    """The configuration carries defaults, resolved references, ids and a sequence number."""
    with Gateway(
        kind, document(quiet.port, say="{vault://env/probe-word}", words=["b", "b", "c"]), plugins=["probe"]
    ) as gateway:
        assert gateway.ask().status == 200
        config = json.loads((gateway.folder / "odd.sock.json").read_text())
    assert config["say"] == "from-the-vault"
    assert config["count"] == 3
    assert config["nested"] == {"on": True}
    assert sorted(config["words"]) == ["b", "c"]
    assert "map" not in config
    assert "mischief" not in config
    assert {"route_id", "__plugin_id", "__seq__", "__key__", "__ws_id"} <= set(config)
    assert "service_id" not in config


@pytest.mark.requirement("KIT-013")
def test_what_kong_has_of_the_pdk_and_the_devkit_has_not_is_a_500_that_says_so(quiet):
    for asked in (
        ["kong.request.get_query_arg", "String", {"v": "a"}, "String"],
        ["kong.nginx.get_var", "String", {"v": "remote_addr"}, "String"],
        ["kong.service.request.set_scheme", "String", {"v": "https"}, "Empty"],
        ["kong.service.request.set_headers", "Struct", {"Host": "elsewhere"}, "Empty"],
    ):
        with Gateway("devkit", document(quiet.port, steps=json.dumps([asked])), plugins=["probe"]) as gateway:
            assert gateway.ask().status == 500
            assert quiet.seen == []
            assert "use a real Kong" in log_of(gateway)
