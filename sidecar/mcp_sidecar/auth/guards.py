"""What this node's guards may ask, put together."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_core.auth.asks import Ask
from mcp_sidecar.auth.asking import AskSocket
from mcp_sidecar.auth.fetch import Fetcher
from mcp_sidecar.auth.introspection import Introspector
from mcp_sidecar.auth.metrics import IssuerMetrics
from mcp_sidecar.auth.proofs import UsedProofs
from mcp_sidecar.auth.provider import Providers
from mcp_sidecar.auth.server_tokens import ServerTokens
from mcp_sidecar.auth.settings import AuthSettings


async def answer_guards(settings: AuthSettings, ring: Sequence[bytes], metrics: IssuerMetrics) -> None:
    """Answer the questions of this node's guards, for ever; nothing where no socket is set."""
    if settings.ask_socket is None:
        return
    async with Fetcher(settings.issuer_networks) as fetcher:
        providers, allowed = Providers(fetcher, settings.issuer_clients), tuple(settings.issuers)
        answerers = {
            Ask.INTROSPECT: Introspector(providers, allowed).answer,
            Ask.PROOF: UsedProofs().answer,
            Ask.TOKEN: ServerTokens(providers, allowed).answer,
        }
        await AskSocket(settings.ask_socket, ring, answerers, metrics).run()
