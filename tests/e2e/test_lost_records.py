"""A collector that is away for longer than Kong's queue holds: losses are bounded, and Kong's log says each of them."""

import re
import shutil

import pytest
import yaml

from e2e.collectors_place import in_its_place
from e2e.harness import KINDS, modern, start
from kong_mcp.share import deck_folder
from mcp_sidecar.store.usage import UsageStore
from servers.launch import wait_for
from servers.stores import opened

CALLS = 60
HELD, BATCH = 20, 4
QUEUES = {
    "too-many": {"max_entries": HELD},
    "too-long": {"max_retry_time": 0},
}
"""Of what the queue of deck/collector.yaml has too little."""


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=QUEUES)
def queue(request):
    return request.param


@pytest.fixture
def running(kind, queue, tmp_path, monkeypatch):
    deck = tmp_path / "deck"
    shutil.copytree(deck_folder(), deck)
    file = deck / "collector.yaml"
    written = yaml.safe_load(file.read_text())
    written["_plugin_configs"]["mcp-collector"]["queue"] |= {"max_batch_size": BATCH, **QUEUES[queue]}
    file.write_text(yaml.safe_dump(written))
    monkeypatch.setattr("kong_mcp.dev.deck_folder", lambda: deck)
    with start(kind, {"notes": 1}, collector=True, store=str(tmp_path / "store.db")) as gateway:
        yield gateway


def refuse(client, running, numbers):
    """Make calls that the guard refuses without anybody's help, each of a name of its own."""
    for number in numbers:
        assert client.post(running.url(), **modern(f"missing-{number}")).status_code == 400


def counted(store):
    with opened(UsageStore, store) as usage:
        return any(key.method == "tools/call" for key, _ in usage.rows_between(0, 10**9))


class KongsLog:
    """What Kong's log says from now on."""

    def __init__(self, running):
        self._folder = running.dev.folder
        self._since = len(self._whole())

    def _whole(self):
        files = [self._folder / "gateway.log", self._folder / "prefix" / "logs" / "error.log"]
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())

    def text(self):
        return self._whole()[self._since :]

    def lost(self):
        """Return how many records it says are lost: a line for each that had no room, a number for each batch."""
        text = self.text()
        batches = re.findall(r"max_retry_time exceeded\. (\d+) queue entries were lost", text)
        return text.count("queue full, dropping old entries") + sum(map(int, batches))


@pytest.mark.requirement("TEL-019")
def test_what_a_queue_loses_is_bounded_and_said_to_the_last_record(running, queue):
    with running.client("ada") as client:
        # Kong's queue is in order: with this call all of the gateway's own start was told.
        refuse(client, running, ["first"])
        wait_for(lambda: counted(running.dev.store), lambda: "the first call is not counted", 60)
        log = KongsLog(running)
        # It ends in order: killed between its commit and its answer it would be told of the first call again.
        running.dev.sidecar.stop()
        refuse(client, running, range(CALLS))
        wait_for(log.lost, log.text, 60)
        with in_its_place(running) as (heard, _):
            refuse(client, running, ["last"])

            def names():
                return {record["mcp"]["name"] for record in list(heard)}

            def told():
                return f"{sorted(names())}, {log.lost()} said to be lost"

            wait_for(lambda: len(names()) + log.lost() == CALLS + 1, told, 60)
    assert "missing-last" in names()
    if queue == "too-many":  # what waits, and the batch on its way, which Kong holds beside the queue
        assert HELD < len(names()) <= HELD + BATCH + 1, told()
        assert f"missing-{CALLS - 1}" in names()  # the oldest go first
