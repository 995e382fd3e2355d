"""The socket at which guards ask: what nobody of the ring sealed is not answered, and a bad question harms no other."""

import secrets
import time

import anyio
import anyio.lowlevel
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from mcp_core.auth.asks import LARGEST, Ask, AskEnd, Asks
from mcp_sidecar.auth.asking import AskSocket
from mcp_sidecar.auth.metrics import IssuerMetrics
from mcp_sidecar.auth.proofs import UsedProofs

pytestmark = pytest.mark.anyio
RING = (b"k" * 32,)


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def raises(_values):
    raise RuntimeError("secret-token")


async def listens(path):
    try:
        await (await anyio.connect_unix(path)).aclose()
    except OSError:
        return False
    return True


@pytest.fixture
async def path(tmp_path):
    metrics = IssuerMetrics(CollectorRegistry())
    answerers = {Ask.PROOF: UsedProofs().answer, Ask.TOKEN: raises}
    socket = tmp_path / "ask"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(AskSocket(str(socket), RING, answerers, metrics).run)
        with anyio.fail_after(10):
            while not await listens(socket):
                await anyio.lowlevel.checkpoint()
        yield socket
        tasks.cancel_scope.cancel()


async def send(path, data):
    async with await anyio.connect_unix(path) as stream:
        await stream.send(data)
        await stream.send_eof()
        answer = bytearray()
        try:
            while True:
                answer += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return bytes(answer)


def framed(data):
    return len(data).to_bytes(4, "big") + data


async def ask(path, values, ring=RING):
    asks, nonce = Asks(ring, AESGCM, InvalidTag), secrets.token_bytes(12)
    answer = await send(path, framed(asks.question(values, nonce, now=time.time())))
    return asks.read_answer(answer[4:], nonce) if answer else None


def proof(name="a", until=60):
    return {"ask": Ask.PROOF, "proof": name * 64, "until": int(time.time()) + until}


@pytest.mark.requirement("AUTH-105")
async def test_a_proof_is_said_once_and_refused_from_then_on(path):
    states = [(await ask(path, proof()))["state"] for _ in range(3)]
    assert states == [AskEnd.SAID, AskEnd.REFUSED, AskEnd.REFUSED]
    assert (await ask(path, proof("b")))["state"] == AskEnd.SAID
    assert (await ask(path, proof("c", until=-1)))["state"] == AskEnd.REFUSED
    assert (await ask(path, proof("d", until=10**6)))["state"] == AskEnd.UNAVAILABLE
    assert (await ask(path, proof() | {"proof": 7}))["state"] == AskEnd.UNAVAILABLE


@pytest.mark.requirement("AUTH-105")
async def test_where_there_is_no_room_no_proof_is_taken_and_old_ones_make_room():
    now = [1000.0]
    used = UsedProofs(lambda: now[0], most=2)

    async def state(name, until):
        return (await used.answer({"proof": name * 64, "until": until}))["state"]

    assert [await state("a", 1010), await state("b", 1020), await state("c", 1020)] == ["said", "said", "unavailable"]
    now[0] = 1011.0
    assert [await state("c", 1020), await state("b", 1020)] == ["said", "refused"]


@pytest.mark.requirement("AUTH-101")
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        framed(b""),
        framed(b"hello"),
        framed(b"\1" + b"x" * 40),
        (LARGEST + 1).to_bytes(4, "big"),
        framed(b"x" * 9)[:-3],
    ],
)
async def test_what_no_guard_asked_is_not_answered_and_others_are(path, data):
    assert await send(path, data) == b""
    assert await ask(path, proof(), ring=(b"z" * 32,)) is None
    assert (await ask(path, proof()))["state"] == AskEnd.SAID


@pytest.mark.requirement("AUTH-101")
async def test_a_question_that_fails_is_no_answer_and_harms_no_other(path, capsys):
    assert await ask(path, {"ask": Ask.TOKEN}) is None
    assert (await ask(path, {"ask": "new in a later release"}))["state"] == AskEnd.UNAVAILABLE
    assert (await ask(path, proof()))["state"] == AskEnd.SAID
    assert "secret-token" not in "".join(capsys.readouterr())
