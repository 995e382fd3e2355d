"""What a plugin file says of its PDK calls, so that they need fewer round trips; checked when it is loaded.

prefetch = {"access": (("kong.request.get_headers", 100), ("kong.request.get_raw_body",))}
    these calls are sent before the phase runs. The phase's first call with the same method and arguments gets that
    reply, unless the phase has changed something by then; what it never asks for is read and dropped.
unawaited = ("kong.service.set_upstream",)
    the call returns True before Kong has confirmed it. If Kong does not, that is logged and nothing more: fit only
    where the request is refused anyway then, as it is by a service that leads nowhere of its own.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from kong_pluginserver.errors import PDKError, UnfitError
from kong_pluginserver.methods import CONFIRMED, METHODS, READING
from kong_pluginserver.pdk import request_frames


def prefetched(module: ModuleType, phases: tuple[str, ...]) -> dict[str, tuple[bytes, ...]]:
    """Return the calls to send ahead, as frames, by phase.

    Args:
        module: the plugin file.
        phases: those that the plugin has.

    Raises:
        UnfitError: `prefetch` is not as above.
    """
    given = getattr(module, "prefetch", {})
    if not isinstance(given, dict):
        raise UnfitError('`prefetch` must be a dict such as {"access": (("kong.request.get_headers", 100),)}')
    for phase in given:
        if phase not in phases:
            raise UnfitError(f"`prefetch`: `Plugin` has no phase {phase!r}; it has {', '.join(phases)}")
    return {phase: _requests(f"`prefetch` of {phase}", calls) for phase, calls in given.items()}


def unawaited(module: ModuleType) -> frozenset[str]:
    """Return the methods that the phases do not wait for.

    Raises:
        UnfitError: `unawaited` is not as above.
    """
    given = getattr(module, "unawaited", ())
    if not isinstance(given, (tuple, list)):
        raise UnfitError('`unawaited` must be a tuple of methods such as ("kong.service.set_upstream",)')
    for method in given:
        if method not in CONFIRMED:
            raise UnfitError(f"`unawaited`: {method!r} cannot be in it, only {', '.join(sorted(CONFIRMED))}")
    return frozenset(given)


def _requests(where: str, calls: Any) -> tuple[bytes, ...]:
    if not isinstance(calls, (tuple, list)):
        raise UnfitError(f'{where} must be a tuple of calls such as (("kong.request.get_headers", 100),)')
    return tuple(_request(where, call) for call in calls)


def _request(where: str, call: Any) -> bytes:
    if not isinstance(call, (tuple, list)) or not call or not isinstance(call[0], str):
        raise UnfitError(
            f'{where}: {call!r} must be a tuple of method and arguments such as ("kong.request.get_path",)'
        )
    method, *args = call
    if method not in METHODS:
        raise UnfitError(f"{where}: {method} is not in Kong's plugin protocol")
    if method not in READING:
        raise UnfitError(f"{where}: {method} does not only read, so it cannot be called ahead")
    try:
        return request_frames(method, *args)
    except (TypeError, ValueError, AttributeError, PDKError) as error:
        raise UnfitError(f"{where}: {method} cannot be called with {tuple(args)!r}: {error}") from None
