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
from kong_devkit.schema import validate

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


@pytest.mark.requirement("KIT-013")
@pytest.mark.parametrize(
    ("document", "words"),
    [
        (plugged("probe", {"sey": "x"}), "plugins[probe].config.sey: unknown field"),
        (plugged("probe", {"say": "x" * 21}), "plugins[probe].config.say: length must be at most 20"),
        (plugged("probe", {"count": 12}), "config.count: value should be between 1 and 9"),
        (plugged("probe", {"words": ["Upper"]}), "config.words[1]: invalid value: Upper"),
        (plugged("probe", {"nested": {"on": "yes"}}), "config.nested.on: expected a boolean"),
        (plugged("probe", {"mischief": "nice"}), "expected one of: die, freeze"),
        (plugged("nonesuch", {}), "plugin 'nonesuch' not enabled"),
        (plugged("acl", {}), "exactly one of 'config.allow', 'config.deny'"),
        ({"services": [{"name": "s", "hots": "h"}]}, "services[s].hots: unknown field"),
        ({"services": [{"name": "s"}]}, "services[s].host: required field missing"),
        ({"services": [{"name": "s", "host": "h", "protocol": "https"}]}, "the devkit proxies plain http only"),
        ({"routes": [{"name": "r", "paths": ["nope"]}]}, "routes[r].paths[1]: should start with: /"),
        ({"routes": [{"name": "r", "paths": ["~/(("]}]}, "invalid regex"),
        ({"routes": [{"name": "r"}]}, "must set one of 'methods', 'hosts', 'headers', 'paths'"),
        ({"routes": [{"name": "r", "paths": ["/"], "service": {"name": "gone"}}]}, "no such entry in 'services'"),
        ({"upstreams": [{"name": "u", "hash_on": "header"}]}, "hash_on_header: required field missing"),
        ({"upstreams": [{"name": "1.2.3.4"}]}, "no ip addresses allowed"),
        ({"upstreams": [{"name": "u", "targets": [{"target": "a b:1"}]}]}, "not a valid hostname or ip address"),
        ({"consumers": [{"username": "a"}, {"username": "a"}]}, "consumers[a]: uniqueness violation"),
        ({"servces": []}, "servces: unknown field"),
        (
            plugged("response-transformer", {"add": {"json": ["a:b"]}}),
            "changes headers only: remove the json fields",
        ),
        (
            plugged("response-transformer", {"rename": {"headers": ["no-colon"]}}),
            "config.rename.headers[1]: invalid value",
        ),
        (
            plugged("file-log", {"path": "/tmp/x", "custom_fields_by_lua": {"request": "return 1"}}),
            "custom_fields_by_lua takes fields out only",
        ),
    ],
)
def test_what_does_not_fit_is_named(document, words):
    done = check(document, plugins=["probe"])
    assert done.returncode == 1
    assert words in done.stderr


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
        declarative.parse('{"_format_version": "3.0", "keyauth_credentials": [{"key": "hunter2"}, {"key": "hunter2"}]}')
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
    text = json.dumps({"_format_version": "3.0", **plugged("key-auth", {})})
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
