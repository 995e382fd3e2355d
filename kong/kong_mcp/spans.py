"""Spans of time as people write them on a command line."""

from __future__ import annotations

import re
from typing import Any, Final

import click

_MINUTES: Final = {"m": 1, "h": 60, "d": 1440}
_UNITS: Final = {"h": 1, "d": 24, "w": 168}


class Span(click.ParamType[int]):
    """A span of time, in hours."""

    name = "7d"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the hours of 24h, 7d or 2w."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", value)
        if match is None:
            self.fail("write hours, days or weeks: 24h, 7d, 2w", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Minutes(click.ParamType[int]):
    """A span of a day at most, in minutes."""

    name = "15m"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the minutes of 15m, 2h or 1d."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", value)
        minutes = 0 if match is None else int(match[1]) * _MINUTES[match[2]]
        if not 0 < minutes <= _MINUTES["d"]:
            self.fail("write minutes or hours, a day at most: 15m, 2h, 24h", param, ctx)
        return minutes
