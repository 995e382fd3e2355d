"""Credentials in arguments: the published shapes, and honest text that only looks like them."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid

import pytest

from mcp_core.scan.credentials import RULE_IDS, find, looks_random

RANDOM = random.Random(7)


def chars(count, alphabet=string.ascii_letters + string.digits):
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


JWT = f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part({'sub': 'ada', 'iss': 'https://id.acme.dev'})}.{chars(86)}"
PEM = "-----BEGIN {}PRIVATE KEY-----\n" + "\n".join(chars(64) for _ in range(12)) + "\n-----END {}PRIVATE KEY-----"
# Every secret is put together here, so that no scanner of repositories takes this file for a leak.
SECRETS = {
    "private-key": [
        PEM.format("", ""),
        PEM.format("RSA ", "RSA "),
        PEM.format("OPENSSH ", "OPENSSH "),
        json.dumps(PEM.format("EC ", "EC ")),
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n" + chars(64) + "\n",
    ],
    "aws-key": ["AK" + "IA" + chars(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "id=AS" + "IAQ3EGR7XW2LMNTB4K"],
    "google-key": ["AI" + "za" + chars(35)],
    "google-token": ["ya" + "29." + chars(60), "GOC" + "SPX-" + chars(28)],
    "azure-key": ["DefaultEndpointsProtocol=https;AccountName=acme;Account" + "Key=" + chars(86) + "=="],
    "github-token": ["gh" + "p_" + chars(36), "gh" + "s_" + chars(36), "github" + f"_pat_{chars(22)}_{chars(59)}"],
    "gitlab-token": ["gl" + "pat-" + chars(20)],
    "slack-token": ["xo" + f"xb-{chars(12, string.digits)}-{chars(12, string.digits)}-{chars(24)}"],
    "slack-webhook": ["https://hooks.slack.com" + "/services/T0A1B2C3D/B0E4F5G6H/" + chars(24)],
    "stripe-key": ["sk" + "_live_" + chars(24)],
    "openai-key": ["sk-" + "proj-" + chars(40) + "T3Blbk" + "FJ" + chars(40)],
    "anthropic-key": ["sk-" + "ant-api03-" + chars(93) + "AA"],
    "huggingface-token": ["h" + "f_" + chars(34, string.ascii_letters)],
    "npm-token": ["np" + "m_" + chars(36)],
    "pypi-token": ["py" + "pi-AgEIcHlwaS5vcmc" + chars(120)],
    "sendgrid-key": ["S" + "G." + chars(22) + "." + chars(43)],
    "digitalocean-token": ["do" + "p_v1_" + chars(64, "0123456789abcdef")],
    "vault-token": ["hv" + "s." + chars(28)],
    "telegram-token": [chars(9, "123456789") + ":A" + "A" + chars(33)],
    "age-key": ["AGE-SECRET" + "-KEY-1" + chars(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")],
    "jwt": [JWT, f"Authorization: Bearer {JWT}"],
    "login-address": [
        "postgres" + "://app:k9vT2wqLx7@db.acme.dev:5432/app",
        "redis" + "://:k9vT2wqLx7@cache.acme.dev",
        "https" + "://ada:k9vT2wqLx7@git.acme.dev/a.git",
    ],
    "connection-string": ["Server=db.acme.dev;Database=app;User Id=app;Pass" + "word=k9vT2wqLx7;"],
    "named-secret": [
        "API" + "_KEY=" + chars(40),
        "client_" + 'secret: "' + chars(40) + '"',
        "curl -H 'Authorization: " + "Bearer " + chars(40) + "'",
        "aws_secret_access" + "_key = " + chars(40),
    ],
}

JWT_IO = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)
HONEST = [
    "AKIAIOSFODNN7EXAMPLE",
    "AKIAI44QH8DHBEXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    JWT_IO,
    "A PEM file begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
    "-----BEGIN PUBLIC KEY-----\n" + chars(64) + "\n",
    "-----BEGIN CERTIFICATE-----\n" + chars(64) + "\n",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + chars(40) + " ada@laptop",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk_test_" + chars(24),
    "glpat-your-token-goes-here",
    "api_key=YOUR_API_KEY_GOES_HERE_1234",
    "api_key: ${API_KEY_FROM_VAULT_1}",
    "token = request.headers['X-Token-Of-2-Users']",
    "export API_KEY=<paste your key 123>",
    "postgres://user:password@localhost:5432/app",
    "postgres://postgres:postgres@db:5432/app",
    "mysql://app:${DB_PASSWORD}@db.acme.dev/app",
    "https://ada:secret@example.com/",
    "https://acme.dev:8443/a?x=y@z",
    "git@github.com:acme/app.git, mailto:ada@acme.dev",
    "Server=db.acme.dev;Database=app;Integrated Security=true;",
    str(uuid.UUID(int=RANDOM.getrandbits(128))),
    f"api_key={uuid.UUID(int=RANDOM.getrandbits(128))}",
    hashlib.sha256(b"x").hexdigest(),
    f"secret_key: {hashlib.sha256(b'y').hexdigest()}",
    "sha512-" + base64.b64encode(hashlib.sha512(b"z").digest()).decode(),
    "integrity: sha384-" + base64.b64encode(hashlib.sha384(b"z").digest()).decode(),
    "data:image/png;base64," + base64.b64encode(RANDOM.randbytes(60_000)).decode(),
    base64.b64encode(RANDOM.randbytes(300_000)).decode(),
    "The access token is refreshed every 3600 seconds; secret keys rotate weekly.",
    "function getAccessToken2(clientSecretProvider) { return provider.accessToken; }",
    "max_tokens=4096, tokenizer=cl100k_base, private_key_path=/etc/ssl/private/server.key",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b fixes #1234 in v1.2.3-rc.4+build.5678",
    "https://acme.dev/reset?state=af0ifjsldkj&session_state=10",
    "01HZY7Q3N5V8W2X4B6C9D0E1F3",
]


@pytest.mark.requirement("ARG-004")
@pytest.mark.parametrize(("name", "text"), [(name, text) for name, several in SECRETS.items() for text in several])
def test_credentials_of_published_shapes_are_found_wherever_they_stand(name, text):
    for arguments, path in (
        ({"body": text}, "arguments.body"),
        ({"a": [{"b c": f"Here it is: {text} ."}]}, "arguments.a[0]['b c']"),
    ):
        found = {one.rule: one for one in find(arguments)}
        assert f"credentials.{name}" in found
        assert found[f"credentials.{name}"].path == path


@pytest.mark.requirement("ARG-004")
@pytest.mark.parametrize("text", HONEST, ids=range(len(HONEST)))
def test_what_only_looks_like_a_credential_is_none(text):
    assert find({"text": text, "list": [text], "password": "hunter2", "id": text[:20]}) == []


@pytest.mark.requirement("ARG-004")
def test_every_rule_has_its_examples():
    assert {f"credentials.{name}" for name in SECRETS} == RULE_IDS


@pytest.mark.requirement("ARG-004")
def test_a_value_that_looks_random_is_one_where_its_key_says_so():
    value = chars(32)
    assert looks_random(value)
    assert [one.rule for one in find({"api_key": value})] == ["credentials.named-secret"]
    assert [one.rule for one in find({"dbPassword": value, "x_client_secret": value})] == ["credentials.named-secret"]
    assert find({"cursor": value}) == []


@pytest.mark.requirement("ARG-005")
@pytest.mark.parametrize(("name", "text"), [(name, several[0]) for name, several in SECRETS.items()])
def test_a_finding_holds_nothing_of_the_credential_even_where_it_is_a_key(name, text):
    for arguments in ({"x": text}, {text: {"inner": text}}):
        for one in find(arguments):
            said = json.dumps(one.to_json())
            assert not [text[at : at + 12] for at in range(0, len(text) - 12, 4) if text[at : at + 12] in said], name


@pytest.mark.requirement("ARG-004")
@pytest.mark.parametrize(
    "piece", ["eyJ", "eyJaaaaaaaa.", "://a:", "api_key=", "-----BEGIN PRIVATE KEY-----\n", "server=a;", "sk-", "a: \n"]
)
def test_a_credential_beside_any_long_text_is_found(piece):
    text = piece * (400_000 // len(piece))
    assert "credentials.jwt" in {one.rule for one in find({"x": text, "y": JWT})}
