"""What ends with a session that an agent ends."""

import anyio
import pytest

from mcp_sidecar.adaptive.serving import Serving
from mcp_sidecar.adaptive.sessions import AgentSaid, new_id
from mcp_sidecar.lane.fetched import Began

SAID = AgentSaid("2025-11-25", {}, {"name": "c", "version": "1"})


def serving(all_, call, line, session, http_method, body=b"", **changes):
    asked = call(body, http_method=http_method, session=session, **changes)
    return Serving(all_, asked, asked.claims.terms.virtual, line)


@pytest.mark.requirement("VIRT-433")
def test_the_stream_of_a_session_ends_with_it_and_no_other_one(desk, kong, call, line, words):
    kong.answers(words.json_answer(b"{}", status="403 Forbidden"))
    mine, other = new_id(SAID), new_id(SAID)

    async def work():
        async with desk() as all_:
            stream = await serving(all_, call, line, mine, "GET").answer()
            others = await serving(all_, call, line, other, "GET").answer()
            async with stream.answer() as parts, others.answer() as more:
                assert isinstance(await anext(parts), Began)
                assert isinstance(await anext(more), Began)
                status, _, _ = await serving(all_, call, line, mine, "DELETE").answer()
                assert status == 204
                with anyio.fail_after(60):
                    assert [part async for part in parts if part.text] == []
                assert all_.parts.shares.open == 2
                assert not all_.sessions.end_of(other).is_set()
            assert all_.parts.shares.open == 0

    anyio.run(work)
