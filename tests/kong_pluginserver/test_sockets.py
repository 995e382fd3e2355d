"""Who may connect to the plugin server's socket, and who keeps it when the server ends."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from kongside import BIN, Client, Server, until

from servers.passing import listening, passed

PLUGIN = """version = "1.0.0"
priority = 1
Schema = []


class Plugin:
    def __init__(self, config): ...
    def access(self, kong): kong.request.get_method()
"""
NOBODY = 65534
# They become somebody else when all that they need is read: this Python may be readable for root only.
BECOME = "import os, socket, sys; from pathlib import Path; from kong_pluginserver import listener\n"
BECOME += "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(65534)\n"
CONNECT = BECOME + "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
LISTEN = BECOME + "listener.Listener(Path(sys.argv[1]), '0')"


class Passed(Server):
    """A server whose socket is made, kept and passed on by the test, as systemd does (sd_listen_fds(3))."""

    def __init__(self, *, count=1, owner="", made=None, **more):
        super().__init__({"guard.py": PLUGIN}, "--workers", "1", **more)
        self.listening = listening(made or self.path)
        self.passing = {"count": count, "owner": owner}

    def command(self):
        return passed(self.listening, super().command(), **self.passing)

    def start(self):
        plain = subprocess.Popen
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "kongside.subprocess.Popen", lambda *a, **k: plain(*a, **k, pass_fds=[self.listening.fileno()])
            )
            return super().start()


@pytest.fixture
def passing():
    with contextlib.ExitStack() as stack:

        def make(**more):
            server = Passed(**more)
            stack.callback(server.listening.close)
            stack.callback(server.remove)
            return server

        yield make


@pytest.mark.requirement("SRV-043")
def test_a_restart_on_a_passed_socket_loses_no_event(passing):
    server = passing().start()
    outcomes, done = [], threading.Event()

    def load():
        client = Client(server.path, "guard")
        while not done.is_set():
            outcomes.append(client.event().kind)
        client.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        seen = len(outcomes)
        until(lambda seen=seen: len(outcomes) > seen + 50)
        assert server.stop() == 0
        assert server.path.is_socket()
        server.start()
    seen = len(outcomes)
    until(lambda: len(outcomes) > seen + 50)
    done.set()
    for thread in threads:
        thread.join()
    assert set(outcomes) == {"passed"}


@pytest.mark.requirement("SRV-043")
def test_a_passed_socket_that_kong_does_not_connect_to_stops_the_start(passing, tmp_path):
    server = passing(made=tmp_path / "other")
    with pytest.raises(AssertionError, match="name the same path in both units"):
        server.start()


@pytest.mark.requirement("SRV-043")
def test_more_sockets_than_one_stop_the_start(passing):
    server = passing(count=2)
    with pytest.raises(AssertionError, match="name the same path in both units"):
        server.start()


@pytest.mark.requirement("SRV-043")
def test_what_was_passed_to_another_process_is_left_alone(passing):
    server = passing(owner=1).start()
    assert server.path.stat().st_ino
    client = Client(server.path, "guard")
    assert client.event().kind == "passed"
    client.close()
    server.stop()
    assert not server.path.exists(), "it made a socket of its own"


@pytest.mark.requirement("SRV-042")
def test_a_group_that_is_none_or_not_this_user_s_is_a_clear_error(tmp_path):
    (tmp_path / "guard.py").write_text(PLUGIN)
    command = [BIN, "--plugins", tmp_path, "--socket", tmp_path / "s", "--socket-group"]
    ended = subprocess.run([*command, "no-such-group"], capture_output=True, text=True, check=False)
    assert (ended.returncode, "there is no such group" in ended.stderr) == (1, True)
    assert not (tmp_path / "s").exists()


@pytest.mark.requirement("SRV-042")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_with_a_group_its_members_may_connect_and_nobody_else(serve):
    def connects(server, group):
        server.home.chmod(0o755)
        command = [sys.executable, "-c", CONNECT, server.path, str(group)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0 or "Permission denied" in ended.stderr, ended.stderr
        return ended.returncode == 0

    private = serve({"guard.py": PLUGIN}, "--workers", "1")
    assert stat.S_IMODE(private.path.stat().st_mode) == 0o600
    assert not connects(private, 4321)
    shared = serve({"guard.py": PLUGIN}, "--workers", "1", "--socket-group", "4321")
    found = shared.path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, 4321)
    assert connects(shared, 4321)
    assert not connects(shared, 4322)


@pytest.mark.requirement("SRV-042")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_group_of_others_is_refused_and_leaves_nothing_behind():
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="kps") as folder:
        os.chown(folder, NOBODY, NOBODY)
        command = [sys.executable, "-c", LISTEN, f"{folder}/s", str(NOBODY)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "PluginServerError" in ended.stderr, ended.stderr
        assert "must be in the group 0" in ended.stderr
        assert list(Path(folder).iterdir()) == []
