"""Metrics by OTLP: what the endpoint gets is what /metrics says, with the conventions' names."""

import pytest

from mcp_core.telemetry.tally import Names, fold
from mcp_core.telemetry.visit import read
from mcp_sidecar.metrics import Metrics
from mcp_sidecar.telemetry.otlp_metrics import MetricSender
from mcp_sidecar.telemetry.settings import TELEMETRY_VARIABLES
from servers.kong_records import NOW, SAID, logged
from servers.otlp import attributes, metrics_receiver


@pytest.fixture
def metrics():
    metrics = Metrics()
    several = [logged(request={"id": f"{number:032x}"}) for number in range(3)]
    several.append(logged(said={**SAID, "outcome": "refused", "reason": "denied-item", "code": -32602}))
    metrics.telemetry.add(fold([read(one, NOW)[0] for one in several], Names(10, 10)), [])
    metrics.hidden.labels("notes", "tools", "enforce").inc(4)
    return metrics


@pytest.mark.requirement("TEL-018")
def test_the_endpoint_gets_what_metrics_says_by_the_names_of_the_conventions(metrics):
    with metrics_receiver() as (url, deliveries):
        assert MetricSender(url, metrics.families).send(metrics.families())
    (told,) = deliveries
    operation = told["mcp.server.operation.duration"]
    points = {attributes(point.attributes).get("error.type", ""): point for point in operation.histogram.data_points}
    assert operation.unit == "s"
    assert attributes(points[""].attributes) == {
        "server": "notes",
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "good",
    }
    assert (points[""].count, points["-32602"].count) == (3, 1)
    assert points[""].sum == pytest.approx(3 * 0.0125)
    assert sum(points[""].bucket_counts) == 3
    assert len(points[""].bucket_counts) == len(points[""].explicit_bounds) + 1
    at = list(points[""].bucket_counts).index(3)
    assert points[""].explicit_bounds[at - 1] < 0.0125 <= points[""].explicit_bounds[at]
    (hidden,) = told["mcp_sidecar_items_hidden"].sum.data_points
    assert hidden.as_double == 4
    assert told["mcp_sidecar_items_hidden"].sum.is_monotonic
    (wait,) = told["mcp_server_wait_seconds"].histogram.data_points
    assert (wait.count, list(wait.bucket_counts)) == (4, [4])


@pytest.mark.requirement("TEL-018")
def test_what_is_no_url_says_what_to_write():
    _, read_url = TELEMETRY_VARIABLES["MCP_SIDECAR_OTLP_METRICS"]
    assert read_url("https://otel.example/v1/metrics") == "https://otel.example/v1/metrics"
    with pytest.raises(ValueError, match="4318/v1/metrics"):
        read_url("collector:4318")


@pytest.mark.requirement("TEL-018")
def test_an_endpoint_that_takes_nothing_ends_nothing(metrics):
    with metrics_receiver(status=400) as (url, deliveries):
        assert not MetricSender(url, metrics.families).send(metrics.families())
    assert len(deliveries) == 1


@pytest.mark.requirement("TEL-018")
def test_a_sidecar_sends_them_from_its_start_on(start, words):
    with metrics_receiver() as (url, deliveries):
        guard = start(MCP_SIDECAR_OTLP_METRICS=url)
        words.until(lambda: deliveries)
        assert guard.sidecar.get("/livez").status == 200
