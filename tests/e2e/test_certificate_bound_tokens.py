"""Tokens that are bound to a certificate (RFC 8705), at a real Kong that ends TLS and asks its clients for one."""

import base64
import datetime as dt
import hashlib
import shutil
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from e2e.harness import JSON_HEADERS, modern
from e2e.tokens import kit_gateway
from kong_mcp.dev import free_port

pytestmark = [
    pytest.mark.requirement("AUTH-106"),
    pytest.mark.skipif(shutil.which("kong") is None, reason="the devkit ends no TLS"),
]


class Holder:
    """A client with a certificate that it signed itself, and its key."""

    def __init__(self, folder, name):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(1))
        self.certificate = made.not_valid_after(now + dt.timedelta(1)).sign(key, hashes.SHA256())
        self._pem, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        self._pem.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        self._key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))

    @property
    def thumbprint(self):
        """Return x5t#S256 of the certificate (RFC 8705, section 3.1)."""
        digest = hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @property
    def pem(self):
        return self._pem.read_text()

    def show_in(self, context):
        context.load_cert_chain(self._pem, self._key)


class Listening:
    """The gateway, and the port at which Kong ends TLS."""

    def __init__(self, gateway, port):
        self.gateway = gateway
        self.port = port

    def call(self, token, holder=None, *, scheme="https", **headers):
        """Call with a token on a fresh connection, with a client's certificate or without."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if holder is not None:
            holder.show_in(context)
        asked = modern("good")
        url = f"https://127.0.0.1:{self.port}/notes/mcp" if scheme == "https" else self.gateway.url
        named = {**JSON_HEADERS, **asked["headers"], "Authorization": f"Bearer {token}", **headers}
        with httpx.Client(verify=context, trust_env=False, timeout=30) as client:
            return client.post(url, json=asked["json"], headers=named)

    def bound(self, holder, **changed):
        return self.gateway.kit.token(cnf={"x5t#S256": holder.thumbprint}, **changed)


@pytest.fixture(scope="module")
def listening():
    port, secure = free_port(), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KONG_PROXY_LISTEN", f"127.0.0.1:{port}, 127.0.0.1:{secure} ssl")
        patch.setenv("KONG_NGINX_PROXY_SSL_VERIFY_CLIENT", "optional_no_ca")
        with kit_gateway("kong", port=port) as running:
            yield Listening(running, secure)


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    return Holder(tmp_path_factory.mktemp("ann"), "ann")


@pytest.fixture(scope="module")
def eve(tmp_path_factory):
    return Holder(tmp_path_factory.mktemp("eve"), "eve")


def test_whoever_holds_the_certificate_calls_again_and_again(listening, ann):
    token, since = listening.bound(ann), listening.gateway.mark()
    for _ in range(3):  # from the second time on the token is one that was verified before
        answer = listening.call(token, ann)
        assert answer.status_code == 200, answer.text
    reached = listening.gateway.posts(since)
    assert len(reached) == 3
    assert not any("certificate" in name or "authorization" in name for headers in reached for name in headers)


@pytest.mark.parametrize("known", [True, False], ids=["verified before", "new"])
def test_nobody_else_does(listening, ann, eve, known):
    token = listening.bound(ann, jti=str(known))
    if known:
        assert listening.call(token, ann).status_code == 200
    since = listening.gateway.mark()
    claims = ("Ssl-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "X-Forwarded-Client-Cert", "Client-Cert")
    encoded = base64.b64encode(ann.pem.encode()).decode()
    refused = [
        listening.call(token),
        listening.call(token, eve),
        listening.call(token, scheme="http"),
        listening.call(token, eve, **dict.fromkeys(claims, encoded)),
        listening.call(token, scheme="http", **dict.fromkeys(claims, encoded)),
        listening.call(listening.gateway.kit.token(cnf={"x5t#S256": ""}), ann),
        listening.call(listening.gateway.kit.token(cnf={"x5t": ann.thumbprint}), ann),
        listening.call(listening.gateway.kit.token(cnf={"x5t#S256": [ann.thumbprint]}), ann),
    ]
    assert [one.status_code for one in refused] == [401] * len(refused)
    assert all("client certificate" in one.text for one in refused[:5])
    assert listening.gateway.posts(since) == []


def test_a_certificate_makes_no_bad_token_good_and_no_unbound_one_worse(listening, ann):
    kit, since = listening.gateway.kit, listening.gateway.mark()
    assert listening.call(kit.token(key="stranger", cnf={"x5t#S256": ann.thumbprint}), ann).status_code == 401
    assert listening.gateway.posts(since) == []
    assert listening.call(kit.token(), ann).status_code == 200
