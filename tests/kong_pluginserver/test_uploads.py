"""A slow upload is the client's affair: the deadline of an event waits for it, within bounds."""

import select
import shutil

import pytest
from kongside import Server, body

READS = """
version = "1"
priority = 1
Schema = []
prefetch = {"access": (("kong.request.get_raw_body",),)} if PREFETCH else {}


class Plugin:
    def __init__(self, config):
        pass

    def access(self, kong):
        if kong.request.get_raw_body() != b"slow":
            kong.response.exit(400)
"""
BODY = b"kong.request.get_raw_body"


@pytest.fixture(params=["False", "True"], ids=["asked for", "prefetched"])
def link(request):
    plugin = READS.replace("PREFETCH", request.param)
    server = Server({"reads.py": plugin}, "--deadline", "0.2", "--upload", "1.5", "--workers", "1").start()
    with server.link() as link:
        link.send_call(event={"instance_id": link.start("reads", {}), "event_name": "access"})
        assert link.read_frame() == BODY
        assert link.read_frame() == b""
        yield link
    server.stop()
    shutil.rmtree(server.home)


@pytest.mark.requirement("SRV-022")
def test_an_upload_may_take_longer_than_the_deadline(link):
    # Nothing is said for four deadlines: the event waits.
    assert not select.select([link.socket], [], [], 0.8)[0]
    link.reply(body(b"slow"))
    assert link.read_frame() == b""


@pytest.mark.requirement("SRV-022")
def test_an_upload_without_end_is_refused(link):
    assert link.read_frame() == b"kong.response.exit"


SHARED = b"kong.ctx.shared.get"


@pytest.mark.requirement("SRV-022")
def test_what_another_plugin_gives_may_wait_for_an_upload_too():
    """mcp-answers gives the body behind the headers, and Kong waits for its client then as for a body."""
    plugin = READS.replace("PREFETCH", "False").replace("request.get_raw_body()", "ctx.shared.get('k')")
    server = Server(
        {"reads.py": plugin.replace('b"slow"', '"slow"')}, "--deadline", "0.2", "--upload", "9", "--workers", "1"
    ).start()
    with server.link() as link:
        link.send_call(event={"instance_id": link.start("reads", {}), "event_name": "access"})
        assert (link.read_frame(), link.read_frame()) == (SHARED, b"\x0a\x01k")
        assert not select.select([link.socket], [], [], 0.8)[0]
        link.reply(b"\x1a\x04slow")
        assert link.read_frame() == b""
    server.stop()
    shutil.rmtree(server.home)
