"""What the collector does every minute, beside deliveries that fail or are under way."""

import anyio
import anyio.lowlevel
import pytest
from prometheus_client import CollectorRegistry

from mcp_sidecar.store.engine import StoreError
from mcp_sidecar.telemetry.audit_log import public_text, signing_key
from mcp_sidecar.telemetry.audit_reading import verify
from mcp_sidecar.telemetry.collector import Collector
from mcp_sidecar.telemetry.metrics import TelemetryMetrics
from mcp_sidecar.telemetry.settings import TelemetrySettings
from servers.kong_records import SAID, logged

pytestmark = pytest.mark.anyio
SECRET = b"k" * 32
PUBLIC = [public_text(signing_key(SECRET))]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def collector(tmp_path):
    settings = TelemetrySettings(collector_name="node", audit=str(tmp_path / "audit"), audit_calls=True)
    metrics = TelemetryMetrics(CollectorRegistry(), 5, 5, hears=True)
    one = Collector(settings, f"{tmp_path}/store.db", metrics, SECRET)
    one._open()
    yield one
    one._store.close()


def asked(number):
    return logged(said=SAID, request={"id": f"{number:032x}", "size": 600})


@pytest.mark.requirement("AUD-101")
async def test_no_head_is_signed_over_lines_that_the_store_did_not_take(collector, tmp_path, monkeypatch):
    def fail(*_values):
        raise StoreError("locked")

    assert (await collector._take([asked(1)])).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr(collector._store, "take", fail)
        assert (await collector._take([asked(2), asked(3)])).status_code == 503
    collector._roll_up(forget=False)
    assert (await collector._take([asked(3), asked(2)])).status_code == 200
    collector._roll_up(forget=False)
    proof = verify(tmp_path / "audit", PUBLIC)
    assert (proof.problem, proof.lines) == (None, 3)


@pytest.mark.requirement("AUD-101")
async def test_a_roll_up_waits_for_the_delivery_that_is_under_way(collector, tmp_path):
    async with anyio.create_task_group() as tasks, collector._turn:
        tasks.start_soon(collector._tended, False)
        with anyio.fail_after(60):
            while not collector._turn.statistics().tasks_waiting:
                await anyio.lowlevel.checkpoint()
        assert (await collector._take([asked(1)])).status_code == 200
    assert verify(tmp_path / "audit", PUBLIC).last.seq == 1
