"""A server file as bytes: what it may be made of, and where the reader says that something is wrong."""

import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kong_mcp.declare.model import SERVER_FILE, fields_of
from kong_mcp.declare.nodes import MAX_BYTES
from kong_mcp.declare.server_file import read_file, read_text

GOOD = b'name: weather\nreplicas: ["http://10.0.0.7:8080/mcp"]\n'
BOMB = b"a: &a [x, x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c]\n" % (one, one, one - 1, one - 1, one - 1) for one in range(ord("b"), ord("z"))
)


def problems(raw):
    server, found = read_text(raw, "f.yaml")
    assert server is None
    return [str(one) for one in found]


def test_a_short_file_is_a_server():
    server, found = read_text(GOOD, "f.yaml")
    assert found == []
    assert (server.name, server.server.path, server.server.targets) == ("weather", "/mcp", ("10.0.0.7:8080",))
    assert server.public_path == "/weather/mcp"


def test_a_byte_order_mark_is_no_matter():
    assert read_text(b"\xef\xbb\xbf" + GOOD, "f.yaml")[0] is not None


@pytest.mark.requirement("FILE-002")
@pytest.mark.parametrize(
    ("raw", "line", "explanation"),
    [
        (b"", 1, "the file is empty; write name and replicas"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"---\n", 1, "the file is empty"),
        (b"- weather\n", 1, "found no mapping"),
        (b"weather\n", 1, "found no mapping"),
        (GOOD + b"tools: {allow: [", 4, "not YAML"),
        (GOOD + b"tools:\n\tallow: [x]\n", 4, "not YAML"),
        (GOOD + b"title: a: b\n", 3, "not YAML"),
        (GOOD + b"title: a\x00b\n", 3, "not YAML"),
        (GOOD + b"title: \xe9t\xe9\n", 3, "is not UTF-8"),
        (GOOD.decode().encode("utf-16"), 1, "is not UTF-8"),
        (GOOD + b"---\nname: other\n", 3, "a second document"),
        (GOOD + b"title: a\nname: other\n", 4, "'name' was written in line 1 already; keep one"),
        (GOOD + b"tools: {allow: [a], allow: [b]}\n", 3, "'allow' was written in line 3 already"),
        (GOOD + b"title: &x a\n", 3, "found the anchor &x"),
        (GOOD + b"title: *x\n", 3, "found the alias *x"),
        (BOMB, 1, "found the anchor &a"),
        (GOOD + b"base: &b {a: 1}\nmore: {<<: *b}\n", 3, "found the anchor &b"),
        (GOOD + b"title: !!python/object/apply:os.system [id]\n", 3, "found the tag"),
        (GOOD + b"title: !secret x\n", 3, "found the tag '!secret'"),
        (GOOD + b"? [a, b]\n: c\n", 3, "for a key"),
        (GOOD + b"plugins: " + b"[" * 500 + b"]" * 500, 3, "more than 32 levels"),
        (GOOD + b"title: " + b"x" * (10 << 20), 1, f"more than {MAX_BYTES:,} bytes"),
    ],
)
def test_what_a_file_may_not_be_made_of_is_said_with_its_line(raw, line, explanation):
    (only,) = problems(raw)
    assert only.startswith(f"f.yaml:{line}: ")
    assert explanation in only


@pytest.mark.requirement("FILE-002")
def test_a_file_of_ten_megabytes_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "large.yaml"
    path.touch()
    os.truncate(path, 10 << 30)  # a sparse file: reading all of it would take the memory of this machine
    server, (problem,) = read_file(path)
    assert server is None
    assert f"more than {MAX_BYTES:,} bytes" in problem.text


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "no regular file" in read_file(tmp_path / "pipe.yaml")[1][0].text
    assert "No such file" in read_file(tmp_path / "none.yaml")[1][0].text


@pytest.mark.requirement("FILE-001")
@pytest.mark.parametrize(
    ("more", "line", "where", "explanation"),
    [
        ("ownr: team", 3, "", "found the field 'ownr', which is none; did you mean owner?"),
        ("tools: {alow: [x]}", 3, "tools", "found the field 'alow', which is none; did you mean allow?"),
        ("<<: x", 3, "", "found the field '<<'"),
        ("zzzz: 1", 3, "", "write one of"),
        ("server: x", 3, "", "found the field 'server'"),
        ("upstream: x", 3, "", "found the field 'upstream'"),
        ("tools: [x]", 3, "tools", "found a list; write a mapping of allow, deny"),
        ("tools:\n  allow: x", 4, "tools.allow", "found text: 'x'; write a list"),
        ("tools:\n  allow:\n  - a\n  - {b: c}", 6, "tools.allow[1]", "found a mapping; write text"),
        ("tools:\n  allow:\n  - yes", 5, "tools.allow[0]", "found true or false: 'yes', which is no text to YAML"),
        ("tools:\n  allow:\n  -", 5, "tools.allow[0]", "found nothing; write text"),
        ("owner:", 3, "owner", "found nothing; write it on one line, or remove the line"),
        ('owner: ""', 3, "owner", "found empty text"),
        ('title: "a\\nb"', 3, "title", "write it on one line"),
        ("owner: 7", 3, "owner", "found a number: '7', which is no text to YAML; write it in quotes"),
        ("owner: 2026-01-01", 3, "owner", "write it in quotes"),
        ("mode: of", 3, "mode", "found 'of'; write one of enforce, monitor"),
        ("pins: {mode: enforced}", 3, "pins.mode", "did you mean enforce?"),
        ("pins: on", 3, "pins", "write a mapping of mode"),
        ("limits: {body: 010}", 3, "limits.body", "write a whole number from 1 to"),
        ("limits: {body: 1_000}", 3, "limits.body", "write a whole number"),
        ("limits: {body: 1:30}", 3, "limits.body", "write a whole number"),
        ("limits: {body: 0}", 3, "limits.body", "write a whole number from 1 to"),
        ("limits: {body: true}", 3, "limits.body", "write a whole number"),
        ("limits: {body: 99999999999999999999999}", 3, "limits.body", "write a whole number"),
        ("tls: {verify: no}", 3, "tls.verify", "found true or false: 'no'; write true or false"),
        ("links: [x]", 3, "links", "write names with their values"),
        ("links: {home: example.com}", 3, "links.home", "write https://HOST/PATH"),
        ("tags: [a b]", 3, "tags[0]", "without blank, comma and slash"),
        ("path: weather", 3, "path", "write /SEGMENT"),
        ("path: /weather/", 3, "path", "without a slash at the end"),
        ("path: /we{a}ther", 3, "path", "write /SEGMENT"),
        ("path: /a/../b", 3, "path", "write /SEGMENT"),
        ("timeouts: {connect: 20000}", 3, "timeouts.connect", "from 1 to 10000"),
        ("timeouts: {read: 60000}", 3, "timeouts.read", "from 60001"),
        ("plugins: [rate-limiting]", 3, "plugins[0]", "write a mapping of name, config"),
        ("plugins:\n- config: {}", 4, "plugins[0]", "found no name"),
        ("plugins: [{name: x, config: {a: 1e3}}]", 3, "plugins[0].config.a", ""),
        ("plugins: [{name: x, config: {a: yes}}]", 3, "plugins[0].config.a", "not every reader of YAML reads alike"),
        ("plugins: [{name: x, config: {a: 0o17}}]", 3, "plugins[0].config.a", ""),
        ("_format_version: '3.0'", 1, "_format_version", "found decK state"),
    ],
)
def test_a_wrong_field_is_said_with_its_line_and_what_to_write(more, line, where, explanation):
    if explanation == "":
        server, found = read_text(GOOD + more.encode(), "f.yaml")
        assert (found, server.values["plugins"][0]["config"]["a"]) == ([], more.split("a: ")[-1].rstrip("}]"))
        return
    (only,) = problems(GOOD + more.encode())
    assert only.startswith(f"f.yaml:{line}: {where}: " if where else f"f.yaml:{line}: ")
    assert explanation in only


@pytest.mark.requirement("FILE-001")
@pytest.mark.parametrize("name", ["Weather", "-a", "a-", "a_b", "a.b", "a b", "x" * 64, "ümlaut", "a/b", "../a"])
def test_a_name_is_a_dns_label(name):
    (only,) = problems(GOOD.replace(b"weather", name.encode()))
    assert only.startswith("f.yaml:1: name: found ")
    assert "write a DNS label" in only


@pytest.mark.requirement("FILE-001")
@pytest.mark.parametrize(
    ("replicas", "explanation"),
    [
        ('["10.0.0.7:8080/mcp"]', "write http://HOST:PORT/PATH"),
        ('["//h/mcp"]', "write http://HOST:PORT/PATH"),
        ('["ws://h/mcp"]', "write http://HOST:PORT/PATH"),
        ('["http:///mcp"]', "write http://HOST:PORT/PATH"),
        ('["http://h/a//b"]', "write http://HOST:PORT/PATH"),
        ('["http://h/a b"]', "write http://HOST:PORT/PATH"),
        ('["http://h/${{ x }}"]', "found ${{ ... }}"),
        ('["http://h:0/mcp"]', "write http://HOST:PORT/PATH"),
        ('["http://h:99999/mcp"]', "write http://HOST:PORT/PATH"),
        ('["http://h/mcp#x"]', "write http://HOST:PORT/PATH"),
        ('["http://h/mcp?team=sky"]', "found a query in a URL"),
        ('["http://user:word@h/mcp"]', "found a user and password in a URL"),
        ('["http://a/mcp", "https://b/mcp"]', "may differ in host and port only"),
        ('["http://a/mcp", "http://b/other"]', "may differ in host and port only"),
        ('["http://a/mcp", "http://a:80/mcp"]', "two of its replicas are the same"),
        ("[]", "found an empty list"),
        ("http://a/mcp", "write a list"),
    ],
)
def test_replicas_are_urls_that_differ_in_host_and_port(replicas, explanation):
    (only,) = problems(f"name: weather\nreplicas: {replicas}\n".encode())
    assert only.startswith("f.yaml:2: replicas")
    assert explanation in only
    assert "word" not in only.partition("found")[2].partition(";")[0].replace("password", "")


@pytest.mark.requirement("FILE-001")
def test_everything_that_is_wrong_is_said_at_once():
    assert len(problems(b"nam: x\nreplicas: [h]\npins: {mode: of}\n")) == 4


def test_words_that_yaml_1_1_takes_for_truth_are_the_words_that_they_are():
    server, _ = read_text(GOOD + b"pins: {mode: off}\nscan: {families: {shell: off}}\n", "f.yaml")
    assert server.guard == {"pins": {"mode": "off"}, "scan": {"families": {"shell": "off"}}}


NAMES = [
    *fields_of(SERVER_FILE),
    "allow",
    "deny",
    "mode",
    "config",
    "headers",
    "add",
    "request-transformer",
    "https://h/mcp",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.requirement("FILE-001")
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_whatever_the_values_are_each_is_a_server_or_a_problem_with_a_line(values):
    raw = yaml.safe_dump({"name": "weather", "replicas": ["http://h/mcp"], **values}, allow_unicode=True).encode()
    server, found = read_text(raw, "f.yaml")
    assert (server is None) == any(not one.warning for one in found)
    assert all(1 <= one.line <= raw.count(b"\n") + 1 for one in found)


@pytest.mark.requirement("FILE-002")
@given(
    st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t\x00\ufeff\x85", max_size=40).map(str.encode) | st.binary(max_size=40)
)
def test_whatever_the_bytes_are_there_is_a_line_for_it(raw):
    server, found = read_text(raw, "f.yaml")
    assert server is None
    assert found
    assert all(one.line >= 1 for one in found)
