"""Who calls, by an OAuth 2.1 access token: the gateway is the resource server of every MCP server behind it.

Pure: clocks, keys and secrets are arguments. A request is read by `bearer`, its token by `tokens` (strictly, before any
of it is believed), its signature by `keysets`, its claims by `judge`; `verify` puts them in order and ends in a
Principal or in a Denied, which `denied` words as RFC 6750 and the MCP specification want it. Nothing of a token stands
in any text that these modules make.
Source: 2026-07-28/basic/authorization; RFC 6750, 7515, 7517, 7519, 8707, 9068, 9728.
"""
