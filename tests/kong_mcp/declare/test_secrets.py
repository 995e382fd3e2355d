"""No secret stands in a server file, and none that does is shown to who reads the error."""

import pytest

from kong_mcp.declare.server_file import read_text

GOOD = "name: weather\nreplicas: ['https://h/mcp']\n"
SECRET = "s3cr3tv4lu3q9z7k1m5"
KEY = "-----BEGIN RSA PRIVATE KEY-----"
GITHUB = "ghp_" + "Zq7Xw2Lm9Kp4Rt6Vb8Nc3Hd5Jf1Gs0Ya2QeT"


def transformer(value):
    return f"plugins: [{{name: request-transformer, config: {{add: {{headers: ['{value}']}}}}}}]"


@pytest.mark.requirement("FILE-003")
@pytest.mark.parametrize(
    "more",
    [
        f"plugins: [{{name: session, config: {{secret: {SECRET}}}}}]",
        f"plugins: [{{name: x, config: {{redis: {{password: {SECRET}}}}}}}]",
        f"plugins: [{{name: x, config: {{client_secret: [{SECRET}]}}}}]",
        f"plugins: [{{name: x, config: {{X-Api-Key: {SECRET}}}}}]",
        f"plugins: [{{name: x, config: {{aws_secret_key: '{SECRET} ${{{{ env \"DECK_X\" }}}}'}}}}]",
        f"auth: [{{name: openid-connect, config: {{client_secret: {SECRET}}}}}]",
        transformer(f"Authorization:Bearer {SECRET}"),
        transformer(f"authorization: {SECRET}"),
        transformer(f"X-Api-Key:{SECRET}"),
        transformer(f"x-weather-token:{SECRET}"),
        transformer(f"Cookie:session={SECRET}"),
        f"tls: {{cert: '{{vault://env/c}}', key: |-\n    {KEY}\n    {SECRET}\n  }}".replace("{cert", "\n  cert")
        .replace(", key", "\n  key")
        .replace("\n  }", ""),
        f"description: the key is {GITHUB}",
        f"title: {GITHUB}",
        f"owner: {KEY}",
        f"tags: [{GITHUB}]",
        f"tools: {{allow: [{GITHUB}]}}",
    ],
)
def test_a_secret_in_plain_text_is_refused_and_not_shown(more):
    server, found = read_text((GOOD + more).encode(), "f.yaml")
    assert server is None
    assert len(found) == 1, found
    assert "in plain text; write {vault://" in found[0].text
    assert SECRET not in str(found)
    assert GITHUB not in str(found)


@pytest.mark.requirement("FILE-003")
@pytest.mark.parametrize(
    "url", [f"https://h/mcp?api_key={SECRET}", f"https://user:{SECRET}@h/mcp", f"https://h/{GITHUB}"]
)
def test_a_secret_in_a_url_is_refused_and_not_shown(url):
    _, found = read_text(f"name: weather\nreplicas: ['{url}']\nlinks: {{home: '{url}'}}\n".encode(), "f.yaml")
    assert found
    assert SECRET not in str(found)
    assert GITHUB not in str(found)


@pytest.mark.requirement("ROUTE-084")
@pytest.mark.parametrize("name", ["api_key", "token", "sig", "id"])
def test_a_secret_in_the_query_is_a_vault_reference_or_refused_and_not_shown(name):
    secret = f"{SECRET}7f0a9b1c2d3e4f5a6b7c"
    for text in (secret, f"{secret}{{vault://env/x}}", f"Bearer {secret}"):
        _, found = read_text((GOOD + f"query: {{{name}: '{text}'}}\n").encode(), "f.yaml")
        assert found, text
        assert SECRET not in str(found)
    one, found = read_text((GOOD + f"query: {{{name}: '{{vault://env/x}}', plan: basic}}\n").encode(), "f.yaml")
    assert not found
    assert one.guard["query"] == {name: "{vault://env/x}", "plan": "basic"}


@pytest.mark.requirement("FILE-003")
@pytest.mark.parametrize(
    "more",
    [
        "plugins: [{name: session, config: {secret: '{vault://env/session-secret}'}}]",
        "plugins: [{name: x, config: {password: '${{ env \"DECK_PASSWORD\" }}'}}]",
        transformer('Authorization:Bearer ${{ env "DECK_X" }}'),
        "plugins: [{name: x, config: {tokens: 5, token: 'https://idp.example.com/token', limit_by: credential}}]",
        "plugins: [{name: x, config: {key_names: [apikey], secret_is_base64: false, allow: ['team:sky']}}]",
        "tls: {cert: '{vault://env/c}', key: '{vault://env/k}'}",
        "description: agents send their key in the header apikey",
    ],
)
def test_references_and_variables_and_honest_words_may_stand(more):
    server, found = read_text((GOOD + more).encode(), "f.yaml")
    assert [one for one in found if not one.warning] == []
    assert server is not None


@pytest.mark.requirement("FILE-003")
@pytest.mark.parametrize(
    "more",
    [
        "title: '${{ env \"DECK_X\" }}'",
        "tools: {allow: ['${{ env \"DECK_X\" }}']}",
        "plugins: [{name: x, config: {a: '${{ env \"DECK_MCP_INTERNAL_KEY\" }}'}}]",
        "plugins: [{name: x, config: {a: '${{ env \"HOME\" }}'}}]",
        "plugins: [{name: x, config: {a: '${{ readFile \"/etc/passwd\" }}'}}]",
        "plugins: [{name: x, config: {a: '${{ env \"DECK_X\" | printf }}'}}]",
        'plugins: [{name: x, config: {a: "${{ env \\"DECK_X\\" }}\\nmore"}}]',
        "plugins: [{name: '${{ env \"DECK_X\" }}'}]",
        "plugins: [{name: x, instance_name: '${{ env \"DECK_X\" }}'}]",
    ],
)
def test_decks_templates_stand_only_where_secrets_belong_and_only_as_variables(more):
    server, found = read_text((GOOD + more).encode(), "f.yaml")
    assert server is None
    assert "found ${{ ... }}" in str(found[0])


@pytest.mark.requirement("FILE-003")
def test_a_reference_that_a_plugin_would_send_as_it_stands_is_refused():
    _, (problem,) = read_text((GOOD + transformer("x-api-key:{vault://env/key}")).encode(), "f.yaml")
    assert "which request-transformer does not read" in problem.text
