"""`kong-mcp server labels`: a proposal that can be put into a server's file as it is."""

import json

import pytest
import yaml
from click.testing import CliRunner

from kong_mcp.cli import main
from kong_mcp.declare.server_file import read_text
from servers.launch import Replica

pytestmark = pytest.mark.requirement("FLOW-106")
LISTS = {
    "tools": [
        {"name": "send_mail", "inputSchema": {"type": "object", "properties": {"recipients": {}}}},
        {"name": "read_inbox"},
        {"name": "add"},
        {"name": "read_mail*"},
        {"name": 'read_${{ env "X" }}_mail'},
        {"name": "read\nmail"},
    ],
    "prompts": [{"name": "summarise_email"}],
    "resources": [{"name": "n", "uri": "crm://customers/1"}],
}
FILE = "name: mail\nreplicas: [http://10.0.0.7:8080/mcp]\ntools: {allow: ['*']}\n"


def run(*words, given=None):
    return CliRunner().invoke(main, ["server", "labels", *words], input=given)


def test_the_proposal_is_good_in_a_server_file(tmp_path):
    file = tmp_path / "tools.json"
    file.write_text(json.dumps(LISTS))
    done = run(str(file))
    assert done.exit_code == 0
    assert yaml.safe_load(done.stdout)["labels"] == [
        {"tools": ["send_mail"], "writes": ["external"]},
        {"tools": ["read_inbox"], "prompts": ["summarise_email"], "reads": ["untrusted", "private"]},
        {"resources": ["crm://customers/1"], "reads": ["private"]},
    ]
    server, problems = read_text((FILE + done.stdout).encode(), "mail.yaml")
    assert server is not None
    assert problems == []


def test_what_nothing_speaks_for_and_what_no_glob_can_name_is_told():
    done = run("-", given=json.dumps(LISTS))
    assert (
        'nothing speaks for: add, read_mail*, read_${{ env "X" }}_mail, read\\nmail; label them by hand' in done.stderr
    )


def test_what_does_not_print_is_escaped_and_still_the_name():
    lists = {"tools": [{"name": "send_m\u00e4il"}, {"name": "send_\u202email"}, {"name": "send_\u200bmail"}]}
    done = run("-", given=json.dumps(lists))
    assert done.stdout.isascii()
    assert yaml.safe_load(done.stdout)["labels"][0]["tools"] == [one["name"] for one in lists["tools"]]
    assert "m\u00e4il" in run("-", given=json.dumps({"tools": lists["tools"][:1]})).stdout


def test_why_names_the_words():
    done = run("-", "--why", given=json.dumps(LISTS))
    assert "send_mail: external: mail, send; external: argument recipients" in done.stderr


@pytest.mark.parametrize(("given", "said"), [("{}", "-: "), ("x", "-: "), ('{"mcpServers": {}}', "-: ")])
def test_what_holds_no_list_is_refused_in_words(given, said):
    done = run("-", given=given)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {said}")
    assert done.stdout == ""


def test_a_running_server_is_asked():
    replica = Replica("notes-1")
    try:
        done = run(replica.url)
    finally:
        replica.kill()
    assert done.exit_code == 0
    assert "read_note" in done.stdout
