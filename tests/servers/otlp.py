"""OTLP receivers made of the SDK's own protos: take spans, or metrics, over HTTP, and keep them."""

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def attributes(several):
    """Return attributes as a dict of plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in several}


@contextmanager
def receiver(status=200):
    """Run one; give the URL for traces, and the list of (service name, span) that grows."""
    spans = []

    def take(body):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = attributes(resource.resource.attributes).get("service.name", "")
            # All at once: a test that sees some of a delivery sees all of it.
            spans.extend([(service, span) for scope in resource.scope_spans for span in scope.spans])

    with _listening(take, status) as address:
        yield f"{address}/v1/traces", spans


@contextmanager
def metrics_receiver(status=200):
    """Run one; give the URL for metrics, and the list of deliveries that grows: each is name -> metric."""
    deliveries = []

    def take(body):
        told = ExportMetricsServiceRequest.FromString(body).resource_metrics
        several = [metric for resource in told for scope in resource.scope_metrics for metric in scope.metrics]
        deliveries.append({one.name: one for one in several})

    with _listening(take, status) as address:
        yield f"{address}/v1/metrics", deliveries


@contextmanager
def _listening(take, status):
    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            take(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
