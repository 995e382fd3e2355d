"""The policy file: the guard's configuration in YAML, or a message that names file and field."""

import pytest

from kong_mcp.policy_file import OPEN_POLICY, PolicyFileError, read_policy
from mcp_core.methods import Kind
from mcp_core.policy import Policy
from mcp_core.principal import NOBODY


@pytest.fixture
def write(tmp_path):
    path = tmp_path / "policy.yaml"

    def write(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_it_is_the_guards_configuration(write):
    values = read_policy(write('tools: {allow: [good, "read_*"]}\nmode: monitor\n'))
    assert values == {"tools": {"allow": ["good", "read_*"]}, "mode": "monitor"}


def test_an_empty_file_allows_nothing(write):
    view = Policy.from_config(read_policy(write(""))).view(NOBODY)
    assert not any(view.allows(kind, "x") for kind in Kind)


def test_without_a_file_everything_is_allowed():
    view = Policy.from_config(OPEN_POLICY).view(NOBODY)
    assert all(view.allows(kind, "any:thing") for kind in (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE))


@pytest.mark.parametrize(
    ("text", "explanation"),
    [
        ("- tools", "write the guard's fields"),
        ("tool: {allow: [x]}", "'tool' is not a field"),
        ("server: files", "'server' is not a field"),
        ("upstream: mcp-other", "'upstream' is not a field"),
        ("sidecar: other", "'sidecar' is not a field"),
        ("tools: [x]", "config.tools: write {allow: [...], deny: [...]}"),
        ("tools: {alow: [x]}", "'alow' is not known"),
        ("tools: {allow: x}", "config.tools.allow: write a list"),
        ("rules: [{tools: {allow: [x]}}]", "config.rules[0]: name the consumers or groups"),
        ("mode: off", "config.mode"),
        ("tools: {allow: [", "not YAML"),
        (b"\xff\xfe", "byte 0 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_what_cannot_be_used_is_explained(write, text, explanation):
    path = write(text)
    with pytest.raises(PolicyFileError) as caught:
        read_policy(path)
    assert explanation in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolicyFileError, match=r"none\.yaml: No such file"):
        read_policy(tmp_path / "none.yaml")
