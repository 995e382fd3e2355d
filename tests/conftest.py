"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from kong_mcp import dev

MAX_WORKERS = 8

# Hypothesis fails what takes longer than 200 ms, and what it is slow to make up: on another machine, honest tests.
# And each change is searched alike, so that what is found is the change's; `make fuzz` searches anew.
settings.register_profile("alike", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("alike")

# A port stays free from the moment a test is given it until it is used: another worker is given other ones.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MAX_WORKERS
dev._PORTS = dev._PORTS[_WORKER::MAX_WORKERS]
