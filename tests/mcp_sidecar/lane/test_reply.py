"""One answer on ASGI: what a deadline meets before anything of it was sent can still be refused."""

import anyio
import pytest

from mcp_core.outcome import UNAVAILABLE, Reject
from mcp_core.reasons import Reason
from mcp_sidecar.lane.reply import Reply


@pytest.mark.requirement("ANS-003")
@pytest.mark.anyio
async def test_an_answer_that_a_deadline_ends_before_its_head_leaves_room_for_a_refusal():
    sent = []

    async def send(message):
        sent.append(message)

    reply = Reply(send)
    with anyio.CancelScope() as late:
        late.cancel()
        await reply.whole(200, {}, b"{}")
    assert (late.cancelled_caught, sent) == (True, [])
    assert reply.status is None
    await reply.refuse(Reject(UNAVAILABLE, "Too late.", Reason.ANSWER_TIMEOUT, status=504))
    assert [one.get("status") for one in sent] == [504, None]
    assert (reply.status, reply.ended) == (504, True)
