"""How a workload logs in with the token of its own platform (SEP-1933): RFC 7523's grant, on the SDK's base classes.

The SDK's provider for workloads has that token authenticate a client which then asks for a token of its own. Here it is
the grant itself: `assertion` instead of `client_assertion`.
"""

import httpx2
from mcp.client.auth import OAuthFlowError
from mcp.client.auth.extensions.client_credentials import PrivateKeyJWTOAuthProvider, static_assertion_provider
from mcp.client.auth.utils import issuers_match
from mcp.shared.auth import JWT_BEARER_GRANT_TYPE


class WorkloadOAuthProvider(PrivateKeyJWTOAuthProvider):
    """Brings one JWT to the one issuer that it is for, and takes no for an answer."""

    def __init__(self, url, storage, client_id, workload, *, issuer):
        """`workload` is the platform's JWT, whose audience is `issuer`."""
        super().__init__(url, storage, client_id, static_assertion_provider(workload), issuer=issuer)
        self._workload = workload

    async def _perform_authorization(self):
        """Return the request for a token."""
        metadata = self.context.oauth_metadata
        if metadata is None or not issuers_match(str(metadata.issuer), self._issuer):
            raise OAuthFlowError(f"the server leads to another issuer than {self._issuer}")
        data = {
            "grant_type": JWT_BEARER_GRANT_TYPE,
            "assertion": self._workload,
            "client_id": self.context.client_info.client_id,
            "resource": self.context.get_resource_url(),
        }
        if self.context.client_metadata.scope:
            data["scope"] = self.context.client_metadata.scope
        return httpx2.Request("POST", self._get_token_endpoint(), data=data)
