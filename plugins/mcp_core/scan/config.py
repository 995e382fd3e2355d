"""How a security team sets the scanner: families and rules off, severities changed, patterns of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class ScanConfigError(ValueError):
    """The configuration cannot be used; the message names the field and says what to write instead."""


@dataclass(frozen=True)
class ScanConfig:
    """What differs from the rules as they ship."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ScanConfig:
        """Read the scan fields of a plugin's configuration. Raises ScanConfigError naming the field."""
        del config
        return cls()
