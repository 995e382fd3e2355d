"""The recording server, watched by OpenTelemetry: its spans go where OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says."""

import runpy
import sys
from pathlib import Path

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def trace_as(service):
    """Have this process's spans sent, every 0.2 seconds, and return what sends them."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    return provider


if __name__ == "__main__":
    trace_as("notes")
    recording = Path(__file__).with_name("recording_server.py")
    sys.argv[0] = str(recording)
    runpy.run_path(str(recording), run_name="__main__")
