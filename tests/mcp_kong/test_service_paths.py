"""The sidecar is told a server's own path where Kong alone would not ask at it."""

import time

import pytest
from kong_side import ANN, ANNS_HEADERS, CONFIG, KEY, KongSide

from mcp_core.seal import ContextSigner
from mcp_kong.guard import Guard
from mcp_kong.proofs import SECONDS, ServicePaths

LIST = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
HEADERS = {"content-type": "application/json"} | ANNS_HEADERS


def told(path, guard=None):
    side = KongSide(LIST, HEADERS, consumer=ANN, service_path=path)
    (guard or Guard(CONFIG)).access(side.pdk)
    return ContextSigner((KEY,)).verify(side.next_hop["mcp-gateway-context"], now=time.time()).stream_path


@pytest.mark.requirement("CLIENT-016")
@pytest.mark.parametrize(("path", "said"), [("/mcp/", "/mcp/"), ("/v1/mcp/", "/v1/mcp/"), ("/mcp", None), (None, None)])
def test_a_list_says_the_path_of_a_server_that_ends_in_a_slash(path, said):
    assert told(path) == said


@pytest.mark.requirement("CLIENT-016")
def test_kong_is_asked_again_after_a_while_where_all_requests_come_by_one_route():
    now = [0.0]
    paths = ServicePaths(lambda: now[0], one_route=True)

    def path(said):
        side = KongSide(LIST, HEADERS, service_path=said)
        return paths.of(side.pdk), side.names().count("router.get_service")

    assert path("/a/") == ("/a/", 1)
    now[0] = SECONDS - 1
    assert path("/b/") == ("/a/", 0)
    now[0] = SECONDS
    assert path("/b/") == ("/b/", 1)


@pytest.mark.requirement("CLIENT-016")
def test_kong_is_asked_each_time_where_requests_come_by_several_routes():
    paths = ServicePaths(lambda: 0.0, one_route=False)
    assert [paths.of(KongSide(LIST, HEADERS, service_path=said).pdk) for said in ("/a/", "/b")] == ["/a/", "/b"]
