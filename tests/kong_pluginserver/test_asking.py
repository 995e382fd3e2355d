"""A plugin asks a process on this machine by a Unix socket, and its worker serves others meanwhile."""

import contextlib
import socket
import threading

import pytest
from kongside import text

PLUGIN = """
version = "1.0.0"
priority = 10
Schema = [{"path": {"type": "string", "description": "Where to ask for it."}}]

class Plugin:
    def __init__(self, config):
        self.path, self.key, self.seconds = config["path"], config.get("key", "k"), config.get("seconds", 5)

    def access(self, kong):
        method = kong.request.get_method()
        with open(self.path + ".came", "a") as came:
            came.write(method)
        answer = kong.local_socket.ask(self.path, self.key.encode(), method.encode(), bytes.decode, self.seconds)
        kong.response.exit(200, f"{method} {answer}", {})
"""


class Other:
    """The process that is asked. `answer` gets each question and returns the bytes that go back as they are."""

    def __init__(self, path, answer):
        self.questions = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, contextlib.suppress(OSError):
            size = int.from_bytes(peer.recv(4), "big")
            self.questions.append(peer.recv(size))
            for piece in self._answer(self.questions[-1]):
                peer.sendall(piece)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def other(tmp_path):
    opened = []

    def start(answer):
        opened.append(Other(tmp_path / "ask", answer))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def framed(data):
    return len(data).to_bytes(4, "big") + data


def asked(server, path, method="GET", **more):
    with server.link() as link:
        outcome = link.event(
            link.start("asks", {"path": str(path), **more}), "access", {"kong.request.get_method": text(method)}
        )
        return outcome.body.decode()


def test_an_answer_comes_however_it_is_cut(serve, other, tmp_path):
    server = serve({"asks.py": PLUGIN}, "--workers", "1")
    whole = framed(b"yes" * 1000)
    other(lambda _: (whole[:2], whole[2:7], whole[7:]))
    assert asked(server, tmp_path / "ask") == "GET " + "yes" * 1000


@pytest.mark.parametrize(
    "pieces",
    [(), (b"\0\0",), (framed(b"yes")[:-1],), (framed(b"yes") + b"more",), (b"\xff\xff\xff\xff",)],
    ids=["nothing", "half a head", "half an answer", "more than an answer", "a length of 4 GiB"],
)
def test_what_is_no_answer_is_none(serve, other, tmp_path, pieces):
    server = serve({"asks.py": PLUGIN}, "--workers", "1")
    other(lambda _: pieces)
    assert asked(server, tmp_path / "ask") == "GET None"


@pytest.mark.requirement("AUTH-101")
def test_nobody_there_and_nobody_who_answers_is_none(serve, other, tmp_path):
    server = serve({"asks.py": PLUGIN}, "--workers", "1")
    assert asked(server, tmp_path / "ask") == "GET None"
    over = threading.Event()
    other(lambda _: over.wait(30) and ())
    assert asked(server, tmp_path / "ask", seconds=0.1) == "GET None"
    over.set()


@pytest.mark.requirement("AUTH-101")
def test_others_are_served_while_one_waits_and_one_question_is_in_flight_for_a_key(serve, other, tmp_path):
    server = serve({"asks.py": PLUGIN}, "--workers", "1", "--deadline", "1")
    free = threading.Event()
    one = other(lambda question: (framed(question),) if question == b"PUT" or free.wait(30) else ())
    bodies = []

    def ask(method):
        bodies.append(asked(server, tmp_path / "ask", method, key="same"))

    waiting = [threading.Thread(target=ask, args=(method,)) for method in ("GET", "GET", "GET")]
    for thread in waiting:
        thread.start()
    # All three have come, and ask in the same breath: the worker does nothing else between the two.
    came = tmp_path / "ask.came"
    while not (came.exists() and came.read_text() == "GET" * 3 and one.questions):
        pass
    # The only worker is free for another question, and its answer overtakes.
    assert asked(server, tmp_path / "ask", "PUT", key="other") == "PUT PUT"
    assert bodies == []
    free.set()
    for thread in waiting:
        thread.join()
    assert bodies == ["GET GET"] * 3
    assert [question for question in one.questions if question == b"GET"] == [b"GET"]
