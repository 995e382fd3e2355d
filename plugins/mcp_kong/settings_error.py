"""What is raised where a configuration cannot be used."""

from __future__ import annotations


class SettingsError(ValueError):
    """The guard cannot start with these settings; the message names the field and what to write."""

    log_safe = True
    """Tells the plugin server that the message holds no secret and may be logged."""
