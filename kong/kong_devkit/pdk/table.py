"""The registry that the PDK modules fill."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

EARLY: Final = frozenset({"rewrite", "access"})
ACCESS: Final = frozenset({"access"})
# ngx.var and ngx.req are out of reach in the timer that runs the log phase of external plugins.
LIVE: Final = frozenset({"rewrite", "access", "response"})
LATE: Final = frozenset({"response", "log"})
AFTER_AUTH: Final = frozenset({"access", "response", "log"})
ANY: Final = frozenset({"rewrite", "access", "response", "log"})


class Method(NamedTuple):
    """One PDK method: argument message, result message, phases, function of (exchange, *arguments)."""

    takes: str
    gives: str
    phases: frozenset[str]
    run: Callable[..., Any]


TABLE: Final[dict[str, Method]] = {}


def pdk(
    name: str, takes: str, gives: str, phases: frozenset[str]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as ``kong.<name>``."""

    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        TABLE[f"kong.{name}"] = Method(takes, gives, phases, run)
        return run

    return register
