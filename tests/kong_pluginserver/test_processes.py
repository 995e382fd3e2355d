from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kongside import BIN, Client, Server, alive, children, descriptors, until

ODD = {"odd.py": Path(__file__).with_name("odd_plugin.py").read_text()}


def pid_of(outcome) -> int:
    return int(re.search(rb"x-pid.*?(\d+)$", outcome.calls[-1][1], re.DOTALL)[1])


def start(server, do: str) -> int:
    with server.link() as link:
        return link.start("odd", {"do": do})


def state(pid: int) -> str:
    """Return the letter of a process's state, T for stopped (proc_pid_stat(5)); "" once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def held(server, instance: int):
    """Open a connection with an event in flight, waiting for Kong's reply."""
    link = server.link()
    link.send_call(event={"instance_id": instance, "event_name": "access"})
    assert link.read_frame() == b"kong.request.get_method"
    assert link.read_frame() == b""
    return link


@pytest.mark.requirement("SRV-014")
def test_connections_are_spread_over_the_workers_and_every_worker_knows_every_instance(serve):
    server = serve(ODD, "--workers", "3")
    instance = start(server, "tells_pid")
    links = [server.link() for _ in range(12)]
    pids = [pid_of(link.event(instance)) for link in links]
    assert sorted(pids.count(pid) for pid in server.workers()) == [4, 4, 4]
    for link in links:
        link.close()


@pytest.mark.requirement("SRV-014")
def test_a_closed_instance_is_forgotten_by_every_worker(serve):
    server = serve(ODD)
    instance = start(server, "tells_pid")
    with server.link() as one, server.link() as two:
        assert {pid_of(link.event(instance)) for link in (one, two)} == set(server.workers())
        one.call(close={"instance_id": instance})
        assert one.event(instance).kind == "closed"
        # The other worker hears of it by a message of its own, a moment later.
        until(lambda: two.event(instance).kind == "closed", what="the other worker's forgetting")


@pytest.mark.requirement("SRV-012")
def test_ids_are_positive_and_come_neither_again_nor_in_order(serve):
    server = serve(ODD)
    with server.link() as link:
        ids = []
        for _ in range(300):
            ids.append(link.start("odd", {"do": "nothing"}))
            link.call(close={"instance_id": ids[-1]})
    assert len(set(ids)) == 300
    assert all(0 < one < 2**31 for one in ids)
    assert max(ids) > 2**20


@pytest.mark.requirement("SRV-012")
def test_ids_of_an_earlier_server_mean_nothing_to_the_next(serve):
    first = serve(ODD)
    old = [start(first, "nothing") for _ in range(5)]
    first.stop()
    second = serve(first.plugins, home=first.home)
    for _ in range(5):
        start(second, "nothing")
    for instance in old:
        with second.link() as link:
            assert link.event(instance).kind == "closed"


def test_an_instance_that_fails_on_another_worker_refuses(serve, tmp_path):
    server = serve(ODD)
    with server.link() as first, server.link() as second:
        instance = first.start("odd", {"do": "starts once", "flag": str(tmp_path / "flag")})
        assert first.event(instance).kind == "passed"
        assert second.event(instance).status == 503


@pytest.mark.requirement("SRV-016")
def test_a_killed_worker_is_replaced_and_no_event_is_lost(serve):
    server = serve(ODD)
    done = threading.Event()
    outcomes: list[str] = []

    def load() -> None:
        client = Client(server.path, "odd", {"do": "reads_method"})
        while not done.is_set():
            outcomes.append(client.event().kind)
        client.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(outcomes) > 50)
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in server.workers() and len(server.workers()) == 2)
    seen = len(outcomes)
    until(lambda: len(outcomes) > seen + 50)
    done.set()
    for thread in threads:
        thread.join()
    assert set(outcomes) == {"passed"}
    assert [one["worker"] for one in server.logged("worker_ended")] == [victim]


@pytest.mark.requirement("SRV-016")
def test_an_event_that_kills_workers_is_refused_the_second_time_and_not_tried_for_ever(serve):
    server = serve(ODD)
    client = Client(server.path, "odd", {"do": "kills_itself"})
    outcome = client.event()
    assert (outcome.kind, outcome.status, outcome.body) == ("exited", 503, b'{"error":"odd"}')
    until(lambda: len(server.logged("worker_ended")) == 2, what="the death of two workers and no more")
    client.close()


@pytest.mark.requirement("SRV-017")
def test_an_event_on_a_frozen_worker_is_refused(serve):
    server = serve(ODD, "--deadline", "0.3", "--workers", "1")
    link = held(server, start(server, "reads_method"))
    worker = server.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    until(lambda: state(worker) == "T", what="the stop")
    until(lambda: server.logged("worker_frozen"))
    link.reply(b"")
    assert link.bridge({}).status == 503
    link.close()


@pytest.mark.requirement("SRV-008")
def test_the_supervisor_lets_go_of_connections_that_have_ended(serve):
    server = serve(ODD)
    instance = start(server, "denies")
    before = descriptors(server.pid)
    for _ in range(600):
        with server.link() as link:
            assert link.event(instance).status == 403
    until(lambda: descriptors(server.pid) <= before, what="all descriptors closed")


@pytest.mark.requirement("SRV-014")
def test_a_new_worker_knows_the_instances_that_were_started_before_it(serve):
    server = serve(ODD, "--workers", "1")
    instance = start(server, "tells_pid")
    old = server.workers()[0]
    os.kill(old, signal.SIGKILL)
    until(lambda: server.workers() and server.workers() != [old])
    with server.link() as link:
        assert pid_of(link.event(instance)) == server.workers()[0]


@pytest.mark.requirement("SRV-017")
def test_a_frozen_worker_is_killed_and_replaced(serve):
    server = serve(ODD, "--deadline", "0.5")
    instance = start(server, "tells_pid")
    frozen, other = server.workers()
    os.kill(frozen, signal.SIGSTOP)
    until(lambda: server.logged("worker_frozen"))
    assert server.logged("worker_frozen")[0]["worker"] == frozen
    until(lambda: len(server.workers()) == 2 and frozen not in server.workers())
    with server.link() as one, server.link() as two:
        assert {pid_of(one.event(instance)), pid_of(two.event(instance))} == {other, server.workers()[1]}


@pytest.mark.requirement("SRV-016")
def test_workers_that_keep_crashing_are_replaced_ever_later_and_then_serve_again(serve):
    server = serve(ODD, "--workers", "1")
    deadly, harmless = start(server, "kills_itself"), start(server, "nothing")
    for _ in range(4):
        with server.link() as link:
            assert link.event(deadly).kind in {"closed", "exited"}
    until(lambda: len(server.logged("worker_ended")) == 4)
    assert [one["replaced_in"] for one in server.logged("worker_ended")] == [0.0, 0.1, 0.2, 0.4]
    with server.link() as link:
        assert link.event(harmless).kind == "passed"


@pytest.mark.requirement("SRV-018")
def test_sigterm_lets_events_in_flight_finish_and_closes_idle_connections_at_once(serve):
    server = serve(ODD)
    instance = start(server, "reads_method")
    busy, idle = held(server, instance), server.link()
    assert idle.event(instance, pdk={}).kind == "passed"
    os.kill(server.pid, signal.SIGTERM)
    assert idle.closed()
    assert server.process.poll() is None
    assert not server.path.exists()
    busy.reply(b"")
    assert busy.bridge({}).kind == "passed"
    assert busy.closed()
    assert server.process.wait(20) == 0
    idle.close()
    busy.close()


@pytest.mark.requirement("SRV-018")
def test_a_call_that_arrives_while_draining_begins_is_served_or_tried_elsewhere_but_never_half_done(serve):
    server = serve(ODD)
    instance = start(server, "reads_method")
    links = [server.link() for _ in range(20)]
    for link in links:
        link.event(instance)
    os.kill(server.pid, signal.SIGTERM)
    for link in links:
        try:
            outcome = link.event(instance)
        except BrokenPipeError:
            continue
        assert outcome.kind == "passed" or outcome.calls == []
    for link in links:
        link.close()
    assert server.process.wait(20) == 0


@pytest.mark.requirement("SRV-018")
def test_a_drain_that_takes_too_long_is_cut_short(serve):
    server = serve(ODD, "--drain", "0.3", "--deadline", "30")
    busy = held(server, start(server, "reads_method"))
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert busy.closed()
    assert server.logged("drain_cut_short")
    busy.close()


@pytest.mark.requirement("SRV-019")
def test_workers_end_when_their_supervisor_is_killed(serve):
    server = serve(ODD)
    workers = server.workers()
    idle = server.link()
    assert idle.event(start(server, "nothing")).kind == "passed"
    os.kill(server.pid, signal.SIGKILL)
    assert idle.closed()
    idle.close()
    until(lambda: not any(map(alive, workers)), what="the end of the workers")
    server.process.wait()


@pytest.mark.requirement("SRV-019")
def test_an_orphan_ends_itself(tmp_path):
    server = Server(ODD, "--end-with-parent")
    script = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(60)"
    with (tmp_path / "log").open("wb") as log:
        parent = subprocess.Popen([sys.executable, "-c", script, *server.command()], stdout=subprocess.PIPE, stderr=log)
    pid = int(parent.stdout.readline())
    server.log = tmp_path / "log"
    until(lambda: server.logged("serving"))
    workers = until(lambda: children(pid))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not any(map(alive, [pid, *workers])), what="the end of the orphan")
    assert server.logged("draining")[0]["cause"] == "parent is gone"
    assert not server.path.exists()
    shutil.rmtree(server.home)


@pytest.mark.requirement("SRV-019")
def test_beside_kong_it_outlives_the_shell_that_started_it():
    server = Server(ODD)
    script = '"$@" >/dev/null 2>&1 & echo $!'
    done = subprocess.run(["sh", "-c", script, "sh", *server.command()], stdout=subprocess.PIPE, check=True)
    supervisor = int(done.stdout)
    until(server.path.exists)
    # A worker that was replaced shows that the supervisor has looked after everything once more.
    first = until(lambda: children(supervisor))[0]
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in children(supervisor) and len(children(supervisor)) == 2)
    assert start(server, "nothing")
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: not server.path.exists())
    shutil.rmtree(server.home)


@pytest.mark.requirement("SRV-020")
def test_a_new_server_takes_the_socket_over_and_the_old_one_leaves_it_alone(serve):
    old = serve(ODD)
    instance = start(old, "reads_method")
    busy = held(old, instance)
    new = serve(old.plugins, home=old.home)
    with new.link() as link:
        assert link.event(instance).kind == "closed", "the old server still answers new connections"
    os.kill(old.pid, signal.SIGTERM)
    until(lambda: old.logged("draining"))
    busy.reply(b"")
    assert busy.bridge({}).kind == "passed"
    assert old.process.wait(20) == 0
    assert new.path.exists()
    client = Client(new.path, "odd", {"do": "nothing"})
    assert client.event().kind == "passed"
    client.close()
    busy.close()


@pytest.mark.requirement("SRV-020")
def test_taking_over_under_load_loses_no_event(serve):
    old = serve(ODD)
    done = threading.Event()
    outcomes: list[str] = []

    def load() -> None:
        client = Client(old.path, "odd", {"do": "reads_method"})
        while not done.is_set():
            outcomes.append(client.event().kind)
        client.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: len(outcomes) > 50)
    serve(old.plugins, home=old.home)
    os.kill(old.pid, signal.SIGTERM)
    old.process.wait(20)
    seen = len(outcomes)
    until(lambda: len(outcomes) > seen + 50)
    done.set()
    for thread in threads:
        thread.join()
    assert set(outcomes) == {"passed"}


@pytest.mark.requirement("SRV-020")
def test_the_socket_is_private_and_nothing_else_is_left_beside_it(serve):
    server = serve(ODD)
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert sorted(path.name for path in server.home.iterdir() if path.suffix != ".new" and "log" not in path.name) == [
        "plugins",
        "s.sock",
    ]


def test_a_stale_socket_file_is_no_obstacle(serve):
    server = Server(ODD)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(server.path))
    assert start(serve(server.plugins, home=server.home), "nothing")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/tmp/" + "x" * 103, "at most 107 bytes"),
        ("/nowhere/at/all.sock", "no such directory"),
        ("/etc/passwd", "is no socket"),
    ],
)
def test_a_socket_that_cannot_be_made_is_a_clear_error(tmp_path, path, said):
    (tmp_path / "odd.py").write_text(ODD["odd.py"])
    ended = subprocess.run(
        [BIN, "--plugins", tmp_path, "--socket", path], capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
