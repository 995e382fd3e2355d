"""What the fields of a server file mean together, and what servers must not share."""

import json

import jsonschema
import pytest
import yaml

from deck.support import ROOT
from kong_mcp.declare import json_schema
from kong_mcp.declare.folder import read_folder
from kong_mcp.declare.known import SurfaceError, read_lock, warnings
from kong_mcp.declare.model import AUTH, GUARD_FIELDS, GUARD_NAMES, OWN_FIELDS, RENAMED, SERVER_FILE, fields_of
from kong_mcp.declare.records import record_of
from kong_mcp.declare.render import entity_problems
from kong_mcp.declare.server_file import read_text
from kong_mcp.policy_file import GIVEN
from mcp_kong.schema import GUARD_SCHEMA
from mcp_sidecar.surface import lockfile

GOOD = "name: weather\nreplicas: ['https://10.0.0.7/mcp']\n"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ID = "3f6c0a1e-6a3f-4a0e-9d3b-0a1b2c3d4e5f"


def problems(more, good=GOOD):
    return [str(one) for one in read_text((good + more).encode(), "f.yaml")[1]]


@pytest.mark.requirement("CAT-008")
@pytest.mark.parametrize(
    ("more", "where", "explanation"),
    [
        ("life_cycle: retired", "3: life_cycle", "active, deprecated, preview"),
        ("successor: other", "3: successor", "on a server that is not deprecated"),
        ("life_cycle: preview\nsuccessor: other", "4: successor", "on a server that is not deprecated"),
        ("life_cycle: deprecated\nsuccessor: weather", "4: successor", "the server itself"),
        ("life_cycle: deprecated\nsuccessor: Other", "4: successor", "the name of a server"),
        ("version: latest", "3: version", "found latest"),
        ("version: '>=1.2'", "3: version", "write one version"),
    ],
)
def test_a_life_cycle_is_said_in_full(more, where, explanation):
    (said,) = problems(more)
    assert said.startswith(f"f.yaml:{where}"), said
    assert explanation in said


@pytest.mark.requirement("CAT-008")
def test_the_record_says_what_the_file_says_and_a_successor_that_is_nowhere_is_warned_of(tmp_path):
    more = "version: 1.4.2\nlife_cycle: deprecated\nsuccessor: other\ndescription: Rain.\ntags: [production]\n"
    (tmp_path / "weather.yaml").write_text(f"{GOOD}{more}links: {{runbook: 'https://h/'}}\n", encoding="utf-8")
    folder = read_folder([tmp_path])
    (record,) = map(record_of, folder.servers)
    assert (record.version, record.life_cycle, record.successor) == ("1.4.2", "deprecated", "other")
    assert (record.description, record.tags, record.links) == ("Rain.", ("production",), {"runbook": "https://h/"})
    assert record.auth == ("key-auth",)
    (warning,) = folder.problems
    assert (warning.warning, "other is no server here" in str(warning)) == (True, True)
    (tmp_path / "other.yaml").write_text("name: other\nreplicas: ['https://h/mcp']\nauth: []\n", encoding="utf-8")
    folder = read_folder([tmp_path])
    assert not any(problem.where == "successor" for problem in folder.problems)
    assert [record_of(server).auth for server in folder.servers] == [(), ("key-auth",)]


@pytest.mark.requirement("FILE-240")
def test_trust_in_one_word_is_always_enforced():
    for word in ("own", "known", "foreign"):
        one, found = read_text(f"{GOOD}trust: {word}\n".encode(), "f.yaml")
        assert found == []
        assert one.guard["pins"] == {"mode": "enforce", "trust": word}
    both, found = read_text(f"{GOOD}trust: foreign\npins: {{mode: enforce}}\n".encode(), "f.yaml")
    assert found == []
    assert both.guard == {"pins": {"mode": "enforce", "trust": "foreign"}}


@pytest.mark.requirement("FILE-241")
def test_an_issuer_in_a_line_is_the_same_as_oauth_in_many():
    short = """auth: {issuer: "https://i.example", resource: "https://g.example/w", audiences: [w],
      groups_claim: [roles], required: [mcp],
      scopes: {mail.write: ["send_*", post]}, denial: challenge}"""
    long = """oauth:
      resource: https://g.example/w
      issuers: [{issuer: "https://i.example", audiences: [w], groups_claim: [roles]}]
      required_scopes: [mcp]
      scope_rules: [{scopes: [mail.write], tools: ["send_*", post]}]
      denial: challenge"""
    (one, found), (other, _) = (read_text(f"{GOOD}{text}\n".encode(), "f.yaml") for text in (short, long))
    assert found == []
    assert one.guard == other.guard
    assert "auth" not in one.values


@pytest.mark.requirement("FILE-001")
@pytest.mark.parametrize(
    ("more", "where", "explanation"),
    [
        ("rules:\n- tools: {allow: [x]}", "4: rules[0]", "name the consumers or groups"),
        ("scan: {families: {nonsense: off}}", "3: scan", "nonsense"),
        ("path: /a/messages", "3: path", "the last segment `messages`"),
        ("path: /portal/review", "3: path", "the first segment `portal`, under which the gateway's own pages are"),
        ("path: /registry/v0.1/servers", "3: path", "the first segment `registry`"),
        ("tls:\n  cert: '{vault://env/c}'", "3: tls", "one of cert and key"),
        (
            f"tls: {{cert: '{{vault://e/c}}', key: '{{vault://e/k}}', client_certificate: {ID}}}",
            "3: tls.client_c",
            "beside",
        ),
        (f"tls: {{verify: false, ca: [{ID}]}}", "3: tls.ca", "beside verify: false"),
        ("tls: {ca: [mine]}", "3: tls.ca[0]", "write the id of a CA certificate in Kong"),
        ("tls: {client_certificate: mine}", "3: tls.client_certificate", "vault references"),
        ("auth: [kye-auth]", "3: auth[0]", "did you mean key-auth?"),
        ("auth: [rate-limiting]", "3: auth[0]", "asks nobody who they are"),
        ("auth: [{name: jwt, config: {anonymous: guest}}]", "3: auth[0].config.anonymous", "remove it"),
        ("plugins:\n- name: jwt\n  config: {anonymous: guest}", "5: plugins[0].config.anonymous", "remove it"),
        ("auth: [{name: key-auth, enabled: false}]", "3: auth[0].enabled", "asks nobody who they are"),
        ("auth: [{name: key-auth, config: {hide_credentials: false}}]", "3: auth[0].config.hide", "write true"),
        ("plugins: [{name: mcp-guard}]", "3: plugins[0]", "every server gets by itself"),
        ("plugins: [{name: cors}, {name: cors}]", "3: plugins[1]", "a second time"),
        ("auth: [jwt]\nplugins: [{name: jwt}]", "4: plugins[0]", "a second time"),
        ("plugins: [{name: cors, config: [x]}]", "3: plugins[0].config", "found no mapping"),
        ("health: {interval: 5}", "3: health.interval", "found no path beside it"),
        ("health: {checks: false, path: /ok}", "3: health.path", "beside checks: false"),
        ("health: {checks: false, probes: true}", "3: health.probes", "beside checks: false"),
        ("trust: foreign\npins: {mode: off}", "3: trust", "beside pins.mode: off; remove one"),
        ("trust: foreign\npins: {mode: monitor}", "3: trust", "beside pins.mode: monitor"),
        ("trust: foreign\npins: {trust: own}", "3: trust", "beside pins.trust: own"),
        ("trust: friendly", "3: trust", "write one of foreign, known, own"),
        (
            "auth: {issuer: 'https://i.example', resource: 'https://g.example/w'}\noauth: {}",
            "3: auth",
            "write one or the other",
        ),
        ("auth: {resource: 'https://g.example/w'}", "3: auth", "found no issuer; write issuer: https://"),
        ("auth: {issuer: 'https://i.example'}", "3: auth", "found no resource; write resource: https://"),
        ("auth: {issuer: i.example, resource: 'https://g.example/w'}", "3: auth.issuer", "write the issuer as its"),
        (
            "auth: {issuer: 'https://i.example', resource: 'https://g.example/w', scope: {a: [b]}}",
            "3: auth",
            "did you mean scopes?",
        ),
        (
            "auth: {issuer: 'https://i.example', resource: 'https://g.example/w', scopes: {'a b': [c]}}",
            "3: oauth.scope_rules",
            "scope",
        ),
    ],
)
def test_fields_that_do_not_go_together_are_said(more, where, explanation):
    (only,) = problems(more)
    assert only.startswith(f"f.yaml:{where}")
    assert explanation in only


def test_tls_is_for_https():
    (only,) = problems("tls: {verify: true}", GOOD.replace("https", "http"))
    assert "found tls beside replicas of http" in only


def transformer(config, *more):
    return "\n".join((f"plugins: [{{name: request-transformer, config: {config}}}]", *more))


VALUE = '${{ env "DECK_KEY" }}'


@pytest.mark.parametrize(
    ("more", "explanation"),
    [
        ("auth: []", "nobody is asked who they are"),
        ("tls: {verify: false}", "anyone on the way to the replicas"),
        (transformer(f"{{add: {{headers: ['Authorization:{VALUE}']}}}}"), "on calls, not on lists"),
        (transformer(f"{{replace: {{headers: ['X-Api-Key:{VALUE}']}}}}"), "on calls, not on lists"),
        (
            transformer(f"{{add: {{headers: ['Authorization:{VALUE}']}}}}", "hide_headers: [cookie]"),
            "an agent's own authorization would pass",
        ),
    ],
)
def test_what_is_unwise_is_a_warning(more, explanation):
    server, (problem,) = read_text((GOOD + more).encode(), "f.yaml")
    assert server is not None
    assert "warning: " in str(problem)
    assert explanation in problem.text


@pytest.mark.requirement("CLIENT-016")
def test_a_slash_at_the_end_of_a_replicas_path_is_kept():
    server, problems = read_text(GOOD.replace("/mcp", "/mcp/").encode(), "f.yaml")
    assert (server.server.path, problems) == ("/mcp/", [])


def test_a_credential_for_the_server_alone_is_good():
    config = f"{{remove: {{headers: [Authorization]}}, add: {{headers: ['Authorization:Bearer {VALUE}']}}}}"
    assert problems(transformer(config, "hide_headers: [cookie]")) == []
    assert (
        problems(transformer("{add: {headers: [5, X-Team:sky], querystring: x}, replace: [], append: {headers: {}}}"))
        == []
    )


def test_a_ca_may_be_an_id_or_a_certificate():
    assert problems(f"tls:\n  ca:\n  - {ID}\n  - |\n" + "".join(f"    {line}\n" for line in CA.splitlines())) == []


@pytest.mark.requirement("FILE-004")
def test_what_the_guard_is_configured_with_comes_from_its_own_schema():
    own = [field for field in GUARD_SCHEMA if not GIVEN & field.keys()]
    assert [{RENAMED.get(name, name): one for name, one in field.items()} for field in own] == GUARD_FIELDS
    assert not GUARD_NAMES & {name for field in OWN_FIELDS for name in field}


@pytest.mark.requirement("FILE-004")
def test_every_field_is_described():
    def undescribed(field, where):
        if field["type"] == "record":
            for name, one in fields_of(field).items():
                if "description" not in one:
                    yield f"{where}.{name}"
                yield from undescribed(one, f"{where}.{name}")
        elif "elements" in field:
            yield from undescribed(field["elements"], f"{where}[]")

    assert list(undescribed(SERVER_FILE, "")) == []


@pytest.mark.requirement("FILE-004")
def test_the_published_schema_is_what_the_model_says():
    published = (ROOT / "spec" / "server-file.schema.json").read_text(encoding="utf-8")
    assert published == json_schema.text(), "kong-mcp server schema > spec/server-file.schema.json"


@pytest.mark.requirement("FILE-004")
@pytest.mark.parametrize(
    ("text", "good"),
    [
        (GOOD, True),
        (
            GOOD + "auth: [jwt, {name: key-auth, config: {a: 1}}]\npins: {mode: enforce}\nlinks: {a: 'https://b'}",
            True,
        ),
        (
            GOOD + "limits: {body: 5}\nrules: [{groups: [a], tools: {allow: ['*']}}]\nplugins: [{name: cors}]",
            True,
        ),
        ("name: weather", False),
        (GOOD + "ownr: x", False),
        (GOOD + "tools: {alow: [x]}", False),
        (GOOD + "mode: of", False),
        (GOOD + "limits: {body: 0}", False),
        (GOOD + "path: weather", False),
        (GOOD + "plugins: [cors]", False),
        (GOOD.replace("weather", "Weather"), False),
        (GOOD.replace("https:", "ws:"), False),
        (GOOD.replace("mcp'", "mcp?a=b'"), False),
    ],
)
def test_the_schema_and_the_reader_say_the_same(text, good):
    schema = json_schema.json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert jsonschema.Draft7Validator(schema).is_valid(yaml.safe_load(text)) is good
    assert (read_text(text.encode(), "f.yaml")[0] is not None) is good


def test_the_schema_that_editors_get_is_json_and_closed():
    schema = json.loads(json_schema.text())
    assert schema["required"] == ["name"]
    assert schema["anyOf"] == [{"required": ["replicas"]}, {"required": ["servers"]}]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["tools"]["properties"]["allow"]["items"]["type"] == "string"
    assert "key-auth" in AUTH


@pytest.fixture
def folder(tmp_path):
    def folder(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        read = read_folder([tmp_path])
        return read, [str(one).replace(f"{tmp_path}/", "") for one in (*read.problems, *entity_problems(read))]

    return folder


def text(name, *more):
    return "\n".join((f"name: {name}", f"replicas: ['http://{name}/mcp']", *more)) + "\n"


@pytest.mark.requirement("FILE-005")
def test_servers_that_share_nothing_are_good_and_sorted(folder):
    read, found = folder(z=text("a"), y=text("b", "path: /team/b"))
    assert found == []
    assert [server.name for server in read.servers] == ["a", "b"]


@pytest.mark.requirement("FILE-005")
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (text("a"), text("a"), "b.yaml:1: name: found a, the name of the server in a.yaml:1; write another"),
        (text("a", "path: /x"), text("b", "path: /x"), "b.yaml:3: path: agents reach a (a.yaml:3) at /x already"),
        (text("a"), text("b", "path: /a/mcp"), "b.yaml:3: path: agents reach a (a.yaml:1) at /a/mcp already"),
        (text("a"), text("b", "path: /a/other"), "b.yaml:3: path: agents reach a (a.yaml:1) at /a/messages already"),
        (text("a"), text("a-sessions"), "b.yaml:1: name: Kong would get the upstreams entity mcp-a-sessions twice"),
        (text("a"), text("a-stream"), "b.yaml:1: name: Kong would get the routes entity mcp-a-stream twice"),
        (text("a"), text("sidecar"), "b.yaml:1: name: Kong would get the upstreams entity mcp-sidecar twice"),
    ],
)
def test_servers_share_no_name_path_or_entity(folder, first, second, expected):
    _, found = folder(a=first, b=second)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.requirement("FILE-001")
def test_one_bad_file_does_not_hide_another(folder):
    _, found = folder(a="name: A\n", b=text("b", "ownr: x"), c=text("c"))
    assert [one.partition(":")[0] for one in found] == ["a.yaml", "a.yaml", "b.yaml"]


def test_a_file_that_is_named_twice_is_one_server(folder, tmp_path):
    folder(a=text("a"))
    read = read_folder([tmp_path, tmp_path / "a.yaml", tmp_path / ".." / tmp_path.name])
    assert (len(read.servers), read.problems) == (1, ())


def test_a_folder_without_files_is_said(tmp_path):
    assert "found no .yaml file in this folder" in read_folder([tmp_path]).problems[0].text
    assert "found no such file or folder" in read_folder([tmp_path / "none"]).problems[0].text


LOCK = {
    "format": 1,
    "servers": {
        "a": {
            "tool": {"get_x": {"digest": "1"}, "Secret": {"digest": "2"}},
            "template": {"note://{id}": {"digest": "3"}},
        }
    },
}


@pytest.mark.requirement("FILE-006")
def test_globs_that_match_nothing_that_is_known_are_warned_of(folder, tmp_path):
    lock = tmp_path / "mcp.lock"
    lock.write_text(yaml.safe_dump(LOCK))
    tools = "tools: {allow: ['get_*', get_y, '*'], deny: ['secret', '*_no']}"
    rules = "rules: [{groups: [g], resources: {allow: ['note://*', 'file://*']}}]"
    read, _ = folder(a=text("a", tools, rules), b=text("b", "tools: {allow: [unknown]}"))
    assert [(one.line, one.where, one.warning) for one in warnings(read.servers, read_lock(lock))] == [
        (3, "tools.allow[1]", True),
        (3, "tools.deny[1]", True),
        (4, "rules[0].resources.allow[1]", True),
    ]


def test_a_lock_file_is_read_as_it_is_written(tmp_path):
    (tmp_path / "empty.lock").write_text(lockfile.dump({}))
    assert read_lock(tmp_path / "empty.lock") == {}
    (tmp_path / "bad.lock").write_text("[]")
    with pytest.raises(SurfaceError, match="not a lock file"):
        read_lock(tmp_path / "bad.lock")
