"""Server files of local servers: what they may not say, and what becomes of the others."""

import pytest

from kong_mcp.declare.folder import together
from kong_mcp.declare.local import stdio_servers
from kong_mcp.declare.render import TAG, assemble, shared_files
from kong_mcp.declare.rest import NoSecretError
from kong_mcp.declare.server_file import read_text
from mcp_core.stdio import SEARCH_PATH

GOOD = """\
name: files
replicas:
- command: [npx, -y, "@modelcontextprotocol/server-filesystem", /srv/files]
"""


def problems(text):
    server, found = read_text(text.encode(), "f.yaml")
    assert server is None
    return [str(one) for one in found]


@pytest.mark.requirement("STDIO-012")
@pytest.mark.parametrize(
    ("more", "line", "where", "said"),
    [
        ("  comand: [x]", 4, "replicas[0]", "found the field 'comand', which is none; did you mean command?"),
        ("  env: [A]", 4, "replicas[0].env", "found a list; write names with their values"),
        ("  env:\n    A: 7", 5, "replicas[0].env.A", "write it in quotes"),
        ("  env:\n    A B: x", 4, "replicas[0].env.A B", "none of a variable"),
        ("  env:\n    LD_PRELOAD: /x.so", 5, "replicas[0].env.LD_PRELOAD", "puts code into every program"),
        ("  env:\n    API_TOKEN: hunter2", 5, "replicas[0].env.API_TOKEN", "a secret in plain text"),
        ("  env:\n    A: ghp_016C7wLxRxZkQd2VqvS1mT4bGhYp3n0aUe9f", 5, "replicas[0].env.A", "in plain text"),
        ('  env:\n    T: "{vault://aws/x}"', 5, "replicas[0].env.T", "write {vault://env/NAME}, alone"),
        ('  env:\n    T: "x {vault://env/x}"', 5, "replicas[0].env.T", "write {vault://env/NAME}, alone"),
        ("  process: one", 4, "replicas[0].process", "session, shared"),
        ("  port: 80", 4, "replicas[0].port", "from 1024 to 65535"),
        ("  limits: {memory: 1}", 4, "replicas[0].limits.memory", "from 16"),
        ("  limits: {processes: 0}", 4, "replicas[0].limits.processes", "from 1"),
        ("- http://10.0.0.7/mcp", 2, "replicas", "a command beside other replicas"),
        ("- command: [other]", 2, "replicas", "a command beside other replicas"),
        ("tls: {verify: true}", 4, "tls", "beside replicas of http"),
    ],
)
def test_what_cannot_be_is_said_with_its_line(more, line, where, said):
    found = problems(GOOD + more + "\n")
    assert any(one.startswith(f"f.yaml:{line}: {where}: ") and said in one for one in found), found
    assert not any(secret in one for one in found for secret in ("hunter2", "ghp_", "x.so"))


@pytest.mark.requirement("STDIO-012")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("[]", "found an empty list"),
        ("npx", "write a list"),
        ('[""]', "found empty text"),
        ('["a\\nb"]', "write text on one line"),
        ("[x, --api-key, hunter2]", "a secret among the arguments"),
        ("[x, --token=hunter2]", "a secret among the arguments"),
    ],
)
def test_commands_are_lists_of_words_without_secrets(command, said):
    (only,) = problems(f"name: files\nreplicas: [{{command: {command}}}]\n")
    assert "f.yaml:2: " in only
    assert said in only
    assert "hunter2" not in only


@pytest.mark.requirement("STDIO-012")
def test_kong_gets_the_entities_of_any_server_at_its_place_on_loopback():
    one, found = read_text((GOOD + "  port: 9200\n  env: {KEY: '{vault://env/files-key}'}\n").encode(), "f.yaml")
    assert found == []
    state = assemble(together([one]).servers, shared_files(answers=True), TAG)
    upstream = next(each for each in state.sections["upstreams"] if each["name"] == "mcp-files")
    assert [each["target"] for each in upstream["targets"]] == ["127.0.0.1:9200"]
    assert one.server.path == "/files/mcp"
    assert "command" not in str(state.sections)
    assert "files-key" not in str(state.sections)


@pytest.mark.requirement("STDIO-008")
def test_secrets_are_read_where_programs_run():
    text = GOOD + "  process: shared\n  limits: {memory: 64}\n  env: {KEY: '{vault://env/files-key}', A: b}\n"
    one, _ = read_text(text.encode(), "f.yaml")
    (server,) = stdio_servers([one], {"FILES_KEY": "of the vault", "OTHER": "x"})
    assert server.environment == {"PATH": SEARCH_PATH, "KEY": "of the vault", "A": "b"}
    assert (server.shared, server.limits.memory, server.limits.processes) == (True, 64, 64)
    assert "of the vault" not in repr(server)
    with pytest.raises(NoSecretError, match="no FILES_KEY, which its KEY is to be"):
        stdio_servers([one], {})


@pytest.mark.requirement("STDIO-028")
def test_commands_are_looked_for_where_the_operator_says_unless_the_file_does():
    plain, _ = read_text(GOOD.encode(), "f.yaml")
    own, _ = read_text((GOOD + "  env: {PATH: /srv/bin}\n").encode(), "f.yaml")
    found = [server.environment["PATH"] for server in stdio_servers([plain, own], {"PATH": "/not/this"}, "/opt/bin")]
    assert found == ["/opt/bin", "/srv/bin"]
