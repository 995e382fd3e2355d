"""Resolves ``{vault://env/NAME}`` and ``{vault://env/NAME/key}`` in plugin configuration, as Kong's env vault does."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from kong_devkit.schema import REFERENCE, Field, record_fields

_LOG = logging.getLogger("kong_devkit.vault")


def resolve(field: Field, value: Any, environment: Mapping[str, str]) -> Any:
    """Replace references in referenceable fields; one that cannot be resolved becomes an empty text."""
    if isinstance(value, str):
        if field.get("referenceable") and REFERENCE.match(value):
            return _lookup(value, environment)
        return value
    if isinstance(value, list):
        return [resolve(field.get("elements", {}), one, environment) for one in value]
    if isinstance(value, dict):
        if field.get("type") == "map":
            return {key: resolve(field.get("values", {}), one, environment) for key, one in value.items()}
        known = record_fields(field)
        found = {key: resolve(known.get(key, {}), one, environment) for key, one in value.items()}
        references = {key: one for key, one in value.items() if isinstance(one, str) and found[key] != one}
        return {**found, "$refs": references} if references else found
    return value


def _lookup(reference: str, environment: Mapping[str, str]) -> str:
    vault, _, rest = reference[len("{vault://") : -1].partition("/")
    name, _, key = rest.partition("?")[0].partition("/")
    found = environment.get(name.upper().replace("-", "_")) if vault == "env" else None
    if found is not None and key:
        try:
            inner = json.loads(found)
        except ValueError:
            inner = None
        found = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(found, str):
        _LOG.warning("cannot resolve the reference %s: set the environment variable it names", reference)
        return ""
    return found
