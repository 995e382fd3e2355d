from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from kongside import BIN, Server

from kong_pluginserver.description import mark, table

GOOD = """version = "1.2.3"
priority = 7
Schema = []


class Plugin:
    def __init__(self, config): ...
    def access(self, kong): ...
"""
CASES = {
    "does not parse": ("def\n", "SyntaxError"),
    "fails": (GOOD + "1 / 0\n", "line 9): ZeroDivisionError"),
    "leaves": (GOOD + "import sys\nsys.exit(0)\n", "SystemExit"),
    "no Plugin": (GOOD.replace("Plugin", "Other"), "lacks `Plugin`"),
    "no Schema": (GOOD.replace("Schema", "Other"), "lacks `Schema`"),
    "no version": (GOOD.replace("version", "other"), "lacks `version`"),
    "no priority": (GOOD.replace("priority", "other"), "lacks `priority`"),
    "version is a number": (GOOD.replace('"1.2.3"', "1"), "`version` must be a string"),
    "priority is text": (GOOD.replace("7", '"7"'), "`priority` must be an integer"),
    "Schema is a dict": (GOOD.replace("[]", "{}"), "`Schema` must be a list"),
    "Schema is no JSON": (GOOD.replace("[]", "[{'a': {1}}]"), "`Schema` is no JSON"),
    "Plugin is no class": (GOOD + "Plugin = 3\n", "`Plugin` must be a class"),
    "no phase": (GOOD.replace("access", "other"), "has no phase"),
    "short description": (GOOD.replace("[]", '[{"a": {"type": "string", "description": "short"}}]'), "10 to 500"),
    "long description": (
        GOOD.replace("[]", '[{"a": {"fields": [{"b": {"description": "x" * 501}}]}}]'),
        "Schema[0].a.fields[0].b",
    ),
    "buffers": (GOOD + "    response = None\n", "buffer every response"),
    "refusal": (GOOD + "refusal = (200, {}, b'')\n", "`refusal` must be"),
    "unreadable": (GOOD + "unreadable = (200, {}, b'')\n", "`unreadable` must be"),
    "prefetch is no dict": (GOOD + "prefetch = ('kong.request.get_path',)\n", "`prefetch` must be a dict such as"),
    "prefetch of no phase": (GOOD + "prefetch = {'acess': ()}\n", "has no phase 'acess'; it has access"),
    "prefetch of no calls": (GOOD + "prefetch = {'access': 'kong.request.get_path'}\n", "must be a tuple of calls"),
    "prefetch of text": (
        GOOD + "prefetch = {'access': ('kong.request.get_path',)}\n",
        "'kong.request.get_path' must be a tuple of method and arguments",
    ),
    "prefetch of nothing known": (
        GOOD + "prefetch = {'access': (('kong.request.get_shoe_size',),)}\n",
        "`prefetch` of access: kong.request.get_shoe_size is not in Kong's plugin protocol",
    ),
    **{
        f"prefetch of {method}": (
            GOOD + f"prefetch = {{'access': (('kong.{method}',),)}}\n",
            f"kong.{method} does not only read",
        )
        for method in (
            *("service.set_upstream", "response.exit", "log.err", "nginx.set_ctx", "client.authenticate"),
            *("service.request.set_header", "ctx.shared.set", "service.set_target"),
        )
    },
    "prefetch with too much": (
        GOOD + "prefetch = {'access': (('kong.request.get_path', 1),)}\n",
        "kong.request.get_path cannot be called with (1,)",
    ),
    "between_events is text": (GOOD + "between_events = 'work'\n", "`between_events` must be a function"),
    "unawaited is text": (GOOD + "unawaited = 'kong.service.set_upstream'\n", "`unawaited` must be a tuple"),
    "unawaited of no confirmed call": (
        GOOD + "unawaited = ('kong.ip.is_trusted',)\n",
        "'kong.ip.is_trusted' cannot be in it, only kong.service.set_upstream",
    ),
}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN, *arguments], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.requirement("SRV-015")
@pytest.mark.parametrize("case", CASES)
def test_a_plugin_file_that_is_not_fit_stops_the_dump_with_one_message(tmp_path, case):
    source, said = CASES[case]
    (tmp_path / "bad.py").write_text(source)
    ended = run("--plugins", tmp_path, "--dump", "bad")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert str(tmp_path / "bad.py") in ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.requirement("SRV-015")
def test_one_bad_file_stops_the_start(tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "bad.py").write_text(CASES["fails"][0])
    ended = run("--plugins", tmp_path, "--socket", tmp_path / "s")
    assert ended.returncode == 1
    assert f"{tmp_path}/bad.py: does not load (line 9): ZeroDivisionError" in ended.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.requirement("SRV-015")
@pytest.mark.parametrize("there", [True, False])
def test_a_directory_without_plugins_stops_the_start(tmp_path, there):
    ended = run("--plugins", tmp_path if there else tmp_path / "none", "--socket", tmp_path / "s")
    assert ended.returncode == 1
    assert "--plugins names the" in ended.stderr


def test_the_dump_is_one_json_document_whatever_the_plugin_prints(tmp_path):
    noise = "import os\nprint('hello')\nos.system('echo child')\nos.write(1, b'raw')\n"
    late = "import atexit\natexit.register(print, 'bye', file=__import__('sys').stderr)\n"
    (tmp_path / "noisy.py").write_text(noise + late + GOOD)
    ended = run("--plugins", tmp_path, "--dump", "noisy")
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {
        "Protocol": "ProtoBuf:1",
        "Plugins": [
            {
                "Name": "noisy",
                "Phases": ["access"],
                "Priority": 7,
                "Version": "1.2.3",
                "Schema": table("noisy", mark(["access"], 7, []), []),
            }
        ],
    }
    assert all(word in ended.stderr for word in ("hello", "child", "raw"))


def test_a_plugin_that_is_not_there_cannot_be_dumped(tmp_path):
    ended = run("--plugins", tmp_path, "--dump", "none")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no such plugin file" in ended.stderr


def test_a_field_may_itself_be_called_description(tmp_path):
    (tmp_path / "p.py").write_text(GOOD.replace("[]", '[{"description": {"type": "string"}}]'))
    assert run("--plugins", tmp_path, "--dump", "p").returncode == 0


def test_buffering_is_allowed_where_it_is_meant(tmp_path):
    (tmp_path / "p.py").write_text(GOOD + "    def response(self, kong): ...\n\n\nbuffers_responses = True\n")
    assert "response" in json.loads(run("--plugins", tmp_path, "--dump", "p").stdout)["Plugins"][0]["Phases"]


def test_files_that_are_no_plugins_are_left_alone_and_names_of_the_standard_library_do_no_harm(serve):
    server = Server(
        {
            "json.py": GOOD + "import json\njson.dumps\n",
            "my-guard.py": "import dataclasses\nimport helping\n@dataclasses.dataclass\nclass A:\n    a: int = 0\n"
            + GOOD,
            "_private.py": "1 / 0",
            "notes.txt": "1 / 0",
        }
    )
    for package in ("helping", "looks_like.py"):
        (server.plugins / package).mkdir()
        (server.plugins / package / "__init__.py").write_text("")
    started = serve(server.plugins, home=server.home)
    assert started.logged("serving")[0]["plugins"] == ["json", "my-guard"]
    assert started.logged("serving")[0]["compiled"] == []
    with started.link() as link:
        assert link.event(link.start("my-guard")).kind == "passed"


def test_the_command_explains_what_is_missing(tmp_path):
    assert "--socket PATH" in run("--plugins", tmp_path).stderr
    assert "query_cmd" in run("--help").stdout


def test_good_is_good(tmp_path):
    (tmp_path / "good.py").write_text(GOOD)
    assert run("--plugins", Path(tmp_path), "--dump", "good").returncode == 0
