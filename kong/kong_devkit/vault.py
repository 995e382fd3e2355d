"""Resolves ``{vault://env/NAME}`` in plugin configuration, as Kong's env vault does."""

import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from kong_devkit.errors import ConfigError
from kong_devkit.schema import REFERENCE, Field, record_fields

_LOG = logging.getLogger("kong_devkit.vault")
_OF_ENVIRONMENT: Final = re.compile(r"\{vault://env/([A-Za-z0-9_-]+)\}")


def resolve(field: Field, value: Any, environment: Mapping[str, str]) -> Any:
    """Replace references in referenceable fields; one to a variable that is not set becomes an empty text.

    Raises:
        ConfigError: a reference to another vault, or to a part of a variable.
    """
    if isinstance(value, str) and field.get("referenceable") and REFERENCE.match(value):
        return _lookup(value, environment)
    if isinstance(value, list):
        return [resolve(field.get("elements", {}), one, environment) for one in value]
    if isinstance(value, dict) and field.get("type") == "map":
        return {key: resolve(field["values"], one, environment) for key, one in value.items()}
    if isinstance(value, dict):
        known = record_fields(field)
        return {key: resolve(known.get(key, {}), one, environment) for key, one in value.items()}
    return value


def _lookup(reference: str, environment: Mapping[str, str]) -> str:
    match = _OF_ENVIRONMENT.fullmatch(reference)
    if match is None:
        raise ConfigError(f"{reference}: the devkit reads {{vault://env/NAME}} only; use a real Kong")
    found = environment.get(match[1].upper().replace("-", "_"))
    if found is None:
        _LOG.warning("cannot resolve the reference %s: set the environment variable it names", reference)
        return ""
    return found
