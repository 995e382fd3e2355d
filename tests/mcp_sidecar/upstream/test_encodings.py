"""Answers that a server compressed though it was asked not to: read where that is safe, and never a bomb."""

import contextlib
import gzip
import json
import threading
import zlib

import pytest

from mcp_sidecar.upstream.encodings import PIECE, EncodingError, Inflater


def raw(data):
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


ENCODED = {
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "identity, gzip": gzip.compress,
    "gzip, identity": gzip.compress,
    "deflate": zlib.compress,
    " deflate ": raw,
}
UNKNOWN = ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate", "x", "gzip;q=1"]


@pytest.mark.requirement("HEAD-006")
@pytest.mark.parametrize(("coding", "encode"), ENCODED.items(), ids=[*ENCODED])
def test_what_was_compressed_unasked_is_read_and_filtered(guard, kong, words, coding, encode):
    body = words.result("keep", "secret")
    kong.answers(words.json_answer(encode(body), f"Content-Encoding: {coding}\r\n"))
    answer = guard.ask()
    assert (answer.status, answer.json["result"]) == (200, {"tools": [{"name": "keep"}]})
    assert "content-encoding" not in answer.headers
    assert kong.requests[0].headers["accept-encoding"] == ["identity"]
    event = b"data: " + body + b"\n\n"
    packed = encode(event)
    kong.answers(
        words.stream_answer(
            *(packed[at : at + 1] for at in range(len(packed))), headers=f"Content-Encoding: {coding}\r\n"
        )
    )
    answer = guard.ask()
    assert json.loads(answer.body.removeprefix(b"data: "))["result"] == {"tools": [{"name": "keep"}]}
    assert "content-encoding" not in answer.headers


@pytest.mark.requirement("HEAD-006")
def test_events_of_a_compressed_stream_pass_as_they_are_sent(guard, kong, words):
    go = threading.Event()
    squeeze = zlib.compressobj(wbits=31)

    def slowly(_request, connection):
        connection.sendall(words.stream_answer(headers="Content-Encoding: gzip\r\n", end=False))
        first = squeeze.compress(b'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n')
        connection.sendall(words.chunk(first + squeeze.flush(zlib.Z_SYNC_FLUSH)))
        go.wait(10)
        connection.sendall(words.chunk(squeeze.compress(b"data: " + words.result("a") + b"\n\n") + squeeze.flush()))

    kong.play = slowly
    with contextlib.closing(guard.open()) as connection:
        response = connection.getresponse()
        assert b"notifications/message" in response.readline()
        go.set()
        assert b'"a"' in response.read()


@pytest.mark.requirement("HEAD-006")
def test_an_error_that_was_compressed_is_read_too(guard, kong, words):
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"Session not found"}}'
    kong.answers(words.json_answer(gzip.compress(body), "Content-Encoding: gzip\r\n", "404 Not Found"))
    answer = guard.ask()
    assert (answer.status, answer.json["error"]["code"]) == (404, -32001)


@pytest.mark.requirement("HEAD-006")
@pytest.mark.parametrize("coding", UNKNOWN)
def test_any_other_encoding_is_one_error_that_says_so(guard, kong, words, coding):
    for sent in (words.json_answer(b"secret"), words.stream_answer(b"data: secret\n\n")):
        kong.answers(sent.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {coding}\r\n\r\n".encode(), 1))
        answer = guard.ask()
        assert (answer.status, answer.json["id"]) == (200, 7)
        assert "Content-Encoding" in answer.json["error"]["message"]
        assert b"secret" not in answer.body


BROKEN = {
    "plain": lambda body: body,
    "cut": lambda body: gzip.compress(body)[:-9],
    "a wrong checksum": lambda body: gzip.compress(body)[:-8] + b"\0" * 8,
    "more behind it": lambda body: gzip.compress(body) + b"more",
    "nothing": lambda _body: b"",
}


@pytest.mark.requirement("HEAD-006")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=[*BROKEN])
def test_what_is_not_in_its_encoding_is_one_error(guard, kong, words, broken):
    kong.answers(words.json_answer(broken(words.result("secret")), "Content-Encoding: gzip\r\n"))
    answer = guard.ask()
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, 7, -32603)
    cut = words.stream_answer(broken(b": hello\n\n"), headers="Content-Encoding: gzip\r\n")
    kong.answers(cut)
    assert json.loads(guard.ask().body.rpartition(b"data: ")[2])["error"]["code"] == -32603


@pytest.mark.requirement("HEAD-006")
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_withheld_before_it_is_unpacked(guard, kong, words, coding):
    bomb = ENCODED[coding](b'{"jsonrpc":"2.0","id":7,"result":{"x":"' + b"0" * 50_000_000)
    kong.answers(words.json_answer(bomb, f"Content-Encoding: {coding}\r\n"))
    assert guard.ask().json["error"]["code"] == -32603
    comments = ENCODED[coding](b":\n\n" * 20_000_000)
    kong.answers(words.stream_answer(comments, headers=f"Content-Encoding: {coding}\r\n"))
    body = guard.ask().body
    assert b"far larger" in body
    assert len(body) < 1_000_000


@pytest.mark.requirement("HEAD-006")
def test_no_piece_is_larger_than_it_may_be_and_members_follow_each_other():
    data = b"0123456789" * 50_000
    inflate = Inflater("gzip")
    pieces = [piece for at in gzip.compress(data) + gzip.compress(b"end") for piece in inflate.feed(bytes([at]))]
    inflate.end()
    assert b"".join(pieces) == data + b"end"
    pieces = list(Inflater("gzip").feed(gzip.compress(data)))
    assert max(map(len, pieces)) <= PIECE


@pytest.mark.requirement("HEAD-006")
@pytest.mark.parametrize(
    "sent",
    [b"\x1f", gzip.compress(b"a")[:-1], gzip.compress(b"a") + b"\x1f"],
    ids=["in the head", "in the checksum", "in a second member"],
)
def test_an_end_that_comes_too_early_is_noticed(sent):
    inflate = Inflater("gzip")
    list(inflate.feed(sent))
    with pytest.raises(EncodingError):
        inflate.end()
