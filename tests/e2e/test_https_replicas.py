"""Replicas that speak https are reached in both lanes, with the client certificate that their upstreams name."""

import contextlib
import datetime as dt
import ssl

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from e2e.harness import KINDS, POLICY, call
from e2e.test_health import Counting
from kong_mcp import dev
from kong_mcp.dev import DevSettings, run_dev
from kong_mcp.servers import parse_server
from kong_mcp.state import Consumer

pytestmark = pytest.mark.slow
KONG = [kind for kind in KINDS if kind == "kong"]
"""The devkit speaks plain HTTP to replicas."""
WHO = Consumer("ada", "ada-key-0123456789")


def certificate(folder, name):
    """Write a key and a certificate that signs itself, and return their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    return paths


class Secure(Counting):
    """A server that speaks TLS, and writes down which client certificates it saw."""

    def __init__(self, context):
        self.context, self.clients = context, set()
        super().__init__()

    def _serve(self, connection):
        with contextlib.suppress(OSError), self.context.wrap_socket(connection, server_side=True) as secure:
            self.clients.add(
                dict(pair for (pair,) in (secure.getpeercert() or {}).get("subject", ())).get("commonName")
            )
            super()._serve(secure)


@pytest.mark.requirement("E2E-035")
@pytest.mark.parametrize("wants", [ssl.CERT_NONE, ssl.CERT_REQUIRED], ids=["no certificate", "a client certificate"])
@pytest.mark.parametrize("kind", KONG)
def test_calls_and_lists_reach_a_replica_that_speaks_https(kind, tmp_path, monkeypatch, wants):
    pem, key = certificate(tmp_path, "replica")
    client_pem, client_key = certificate(tmp_path, "gateway")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_pem)
    context.load_cert_chain(pem, key)
    context.verify_mode = wants
    write = dev.write_state

    def with_certificate(*args, **kwargs):
        """Name the client certificate in both upstreams, as a server file would."""
        path = write(*args, **kwargs)
        document = yaml.safe_load(path.read_text())
        id_ = "8a4f2f3e-2f0e-4d5e-9d0e-0a4a3a1b2c3d"
        document["certificates"] = [{"id": id_, "cert": client_pem.read_text(), "key": client_key.read_text()}]
        for upstream in document["upstreams"]:
            if upstream["name"].startswith("mcp-notes"):
                upstream["client_certificate"] = {"id": id_}
        path.write_text(yaml.safe_dump(document))
        return path

    monkeypatch.setattr(dev, "write_state", with_certificate)
    with contextlib.closing(Secure(context)) as server:
        parsed = parse_server(f"notes=https://127.0.0.1:{server.port}/mcp")
        with run_dev(DevSettings([parsed], kind, port=0, policy=POLICY, consumers=[WHO])) as running:
            headers = {"apikey": WHO.key, "Accept": "application/json, text/event-stream"}
            for message in (call("good"), {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}):
                answer = httpx.post(running.url("notes"), json=message, headers=headers, trust_env=False, timeout=30)
                assert answer.status_code == 200
        assert [request for request in server.requests if request[0] == "POST"] == [("POST", "/mcp")] * 2
        assert server.clients == ({"gateway"} if wants is ssl.CERT_REQUIRED else {None})
