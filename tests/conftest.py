"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Hypothesis fails what takes longer than 200 ms, and what it is slow to make up: on another machine, honest tests.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
