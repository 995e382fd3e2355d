"""Stores of sidecars that have just been started."""

import contextlib

from mcp_sidecar.store.engine import StoreError
from servers.launch import wait_for


def opened(store, address):
    """Open a store of this class (Store, UsageStore, ...), once there is one: a sidecar serves before it made it."""
    problems = []

    def tried():
        try:
            return store(address)
        except StoreError as error:
            problems.append(error)

    return contextlib.closing(wait_for(tried, lambda: str(problems[-1]), 60))
