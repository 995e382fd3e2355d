"""What is refused before anything listens, and how the refusal names the place."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from gateways import Gateway

from kong_devkit import declarative, kongconf
from kong_devkit.errors import ConfigError, SchemaError
from kong_devkit.schema import check_table, validate

ODD_PHASE = """pluginserver_names = late
pluginserver_late_query_cmd = echo '{"Protocol": "ProtoBuf:1", "Plugins": [{"Name": "late", "Phases": ["response"]}]}'
"""
CLI = str(Path(sys.executable).parent / "kong-devkit")


def check(document, plugins=(), conf=None):
    gateway = Gateway("devkit", document, plugins=plugins)
    if conf is not None:
        gateway.conf.write_text(gateway.conf.read_text() + conf)
    try:
        return subprocess.run(
            [CLI, "check", "-c", str(gateway.conf)], capture_output=True, text=True, check=False, timeout=30
        )
    finally:
        shutil.rmtree(gateway.folder)


def plugged(name, config):
    return {
        "services": [
            {
                "name": "s",
                "host": "h",
                "routes": [{"name": "r", "paths": ["/"], "plugins": [{"name": name, "config": config}]}],
            }
        ]
    }


def test_a_good_configuration_is_valid():
    done = check(plugged("probe", {"say": "hello"}), plugins=["probe"])
    assert (done.returncode, done.stdout) == (0, "configuration is valid\n")


def one(kind, **more):
    usual = {
        "services": {"name": "s", "host": "h"},
        "upstreams": {"name": "u"},
        "routes": {"name": "r", "paths": ["/"]},
    }
    entity = {**usual[kind], **more}
    return {"services": [{**usual["services"], "routes": [entity]}]} if kind == "routes" else {kind: [entity]}


@pytest.mark.requirement("KIT-013")
@pytest.mark.parametrize(
    ("document", "words"),
    [
        (plugged("probe", {"sey": "x"}), "plugins[probe].config.sey: unknown field"),
        (plugged("probe", {"say": "x"}), "plugins[probe].config.say: length must be at least 2"),
        (plugged("probe", {"say": "{vault://env/word/key}"}), "the devkit reads {vault://env/NAME} only"),
        (plugged("probe", {"count": 12}), "config.count: value should be between 1 and 9"),
        (plugged("probe", {"words": ["Upper"]}), "config.words[1]: invalid value: Upper"),
        (plugged("probe", {"nested": {"on": "yes"}}), "config.nested.on: expected a boolean"),
        (plugged("probe", {"mischief": "nice"}), "expected one of: die, freeze"),
        (plugged("nonesuch", {}), "plugin 'nonesuch' not enabled"),
        ({"services": [{"name": "s", "hots": "h"}]}, "services[s].hots: unknown field"),
        ({"services": [{"name": "s"}]}, "services[s].host: required field missing"),
        (one("routes", paths=["nope"]), "routes[r].paths[1]: should start with: /"),
        (one("routes", paths=["~/(("]), "invalid regex"),
        (one("routes", paths=None), "must set one of 'methods', 'hosts', 'paths'"),
        (one("upstreams", hash_on="header"), "hash_on_header: required field missing"),
        (one("upstreams", name="1.2.3.4"), "no ip addresses allowed"),
        (one("upstreams", targets=[{"target": "a b:1"}]), "not a valid hostname or ip address"),
        ({"consumers": [{"username": "a"}, {"username": "a"}]}, "consumers[a]: uniqueness violation"),
        ({"servces": []}, "servces: unknown field"),
    ],
)
def test_what_does_not_fit_is_named(document, words):
    done = check(document, plugins=["probe"])
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.requirement("KIT-013")
@pytest.mark.parametrize(
    "document",
    [
        {"routes": [{"name": "r", "paths": ["/"]}]},
        {"acls": []},
        one("services", protocol="https"),
        one("services", tls_verify=True),
        one("routes", headers={"x-lane": ["fast"]}),
        one("routes", hosts=["*.test"]),
        one("routes", preserve_host=True),
        one("routes", request_buffering=False),
        one("routes", protocols=["https"]),
        one("routes", regex_priority=1),
        one("upstreams", hash_on="none", hash_fallback="ip"),
        one("upstreams", healthchecks={"active": {"type": "tcp"}}),
        one("upstreams", healthchecks={"threshold": 50}),
        {"consumers": [{"username": "a", "acls": [{"group": "g"}]}]},
        {"consumers": [{"username": "a", "plugins": [{"name": "probe"}]}]},
        plugged("acl", {"allow": ["g"]}),
        plugged("key-auth", {}),
        plugged("key-auth", {"key_in_query": False, "anonymous": "nobody"}),
        plugged("file-log", {"path": "/tmp/x", "custom_fields_by_lua": {"request": "return 1"}}),
        plugged("http-log", {"http_endpoint": "http://h/", "queue": {"max_bytes": 1}}),
        plugged("probe", {"say": "{vault://hcv/word}"}),
    ],
)
def test_what_kong_has_and_the_devkit_has_not_is_refused_and_says_to_use_a_real_kong(document):
    done = check(document, plugins=["probe"])
    assert done.returncode == 1
    assert "use a real Kong" in done.stderr


@pytest.mark.requirement("KIT-013")
@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "len_max": 3},
        {"type": "foreign"},
        {"type": "string", "match": "^%a+$"},
        {"type": "array", "elements": {"type": "string", "match": "a-b"}},
        {"type": "record", "fields": [{"a": {"type": "string", "starts_with": "/"}}]},
    ],
)
def test_a_schema_that_asks_for_what_the_devkit_does_not_check_is_refused(field):
    with pytest.raises(SchemaError, match="use a real Kong"):
        check_table({"fields": [{"config": {"type": "record", "fields": [{"one": field}]}}]}, "mine")


def test_a_plugin_that_nobody_offers_is_a_clear_error():
    done = check({}, conf="plugins = key-auth, jwt\n")
    assert done.returncode == 1
    assert "the devkit has no plugin 'jwt'" in done.stderr


@pytest.mark.requirement("KIT-013")
@pytest.mark.parametrize(
    ("conf", "words"),
    [
        ("pluginserver_names = lost\n", "pluginserver_lost_query_cmd: required"),
        ("pluginserver_names = bad\npluginserver_bad_query_cmd = echo nonsense\n", "did not print JSON"),
        (
            'pluginserver_names = old\npluginserver_old_query_cmd = echo \'{"Plugins": [{"Name": "x"}]}\'\n',
            "ProtoBuf:1 only",
        ),
        ("database = postgres\n", "DB-less"),
        (ODD_PHASE, "runs the access phase only: use a real Kong"),
        ("proxy_listen = 127.0.0.1:1 ssl\n", "plain HTTP/1.1 only"),
        ("just words\n", "expected 'key = value'"),
    ],
)
def test_a_kong_conf_that_cannot_be_followed_is_refused(conf, words):
    done = check({}, conf=conf)
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.requirement("KIT-013")
def test_secrets_of_a_broken_file_stay_out_of_the_complaint():
    with pytest.raises(SchemaError) as caught:
        declarative.parse(
            '{"_format_version": "3.0", "consumers": [{"username": "a", "keyauth_credentials":'
            ' [{"key": "hunter2"}, {"key": "hunter2"}]}]}'
        )
    assert "hunter2" not in str(caught.value)


def test_the_environment_overrides_the_file(tmp_path):
    conf = tmp_path / "kong.conf"
    conf.write_text(
        "prefix = /tmp/a # here\ndeclarative_config = x.yml\nproxy_listen = 127.0.0.1:1\nodd_key = 1\n"
        "pluginserver_names = My-Plug\n"
        "pluginserver_my_plug_query_cmd = echo \\#\n"
    )
    loaded = kongconf.load(conf, {"KONG_PROXY_LISTEN": "127.0.0.1:99 reuseport backlog=16384"})
    assert loaded.listen == ("127.0.0.1", 99)
    assert loaded.ignored == ("odd_key",)
    assert (loaded.servers[0].name, loaded.servers[0].socket, loaded.servers[0].query_command) == (
        "my-plug",
        "/tmp/a/my-plug.socket",
        "echo #",
    )


def test_the_same_file_gives_the_same_ids():
    text = json.dumps({"_format_version": "3.0", **plugged("key-auth", {"key_in_query": False})})
    assert declarative.parse(text).entities == declarative.parse(text).entities


def test_defaults_reach_into_nested_records():
    field = {
        "type": "record",
        "fields": [{"a": {"type": "record", "required": True, "fields": [{"b": {"type": "number", "default": 2}}]}}],
    }
    assert validate(field, {}) == {"a": {"b": 2}}


def test_a_broken_yaml_is_a_configuration_error():
    with pytest.raises(ConfigError, match="not valid YAML"):
        declarative.parse("{")
