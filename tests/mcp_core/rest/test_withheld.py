"""Parameters that no argument sets, in any of their spellings."""

import pytest

from servers.openapi import only, operation, parameter


@pytest.mark.requirement("REST-006")
def test_what_holds_a_credential_or_says_how_a_request_is_sent_is_no_argument():
    hidden = [
        *(
            "Authorization",
            "Content-Type",
            "Accept",
            "Cookie",
            "Host",
            "X-Forwarded-For",
            "X-Consumer-Username",
            "Mcp-Name",
        ),
        *("X-HTTP-Method-Override", "X-Api-Key", "apikey", "X-Own"),
    ]
    parameters = [parameter(name, "header", required=True) for name in hidden]
    parameters += [parameter(name) for name in ("key", "access_token", "TOKEN", "page_token", "q")]
    parameters += [
        parameter("session", "cookie"),
        parameter("theme", "cookie"),
        parameter("token", "path", required=True),
    ]
    schemes = {
        "a": {"type": "apiKey", "in": "query", "name": "key"},
        "b": {"type": "apiKey", "in": "cookie", "name": "session"},
        "c": {"$ref": "#/components/securitySchemes/c"},
        "d": {"type": "oauth2"},
    }
    paths = {"/a/{token}": {"get": operation("a", parameters=parameters)}}
    tool = only(paths, headers=["x-own"], components={"securitySchemes": schemes})
    assert set(tool.item["inputSchema"]["properties"]) == {"page_token", "q", "theme", "token"}
    assert tool.item["inputSchema"]["required"] == ["token"]


@pytest.mark.requirement("REST-022")
@pytest.mark.parametrize(
    "name",
    [
        *("X_Forwarded_For", "x-forwarded_for", "X.Forwarded.Host", "Forwarded", "x_real_ip", "X_Consumer_Username"),
        *("x-consumer_id", "X_Credential_Identifier", "x_authenticated_userid", "MCP_Name", "mcp_gateway_context"),
        *("Content_Length", "TRANSFER_ENCODING", "Keep_Alive", "Proxy_Connection", "Proxy", "HTTP2_Settings", "Te"),
        *("Set-Cookie", "X_Original_URL", "x_rewrite_url", "X_HTTP_Method_Override", "X-Middleware-Subrequest"),
        *("Client_IP", "True-Client-IP", "CF_Connecting_IP", "X-Forwarded", "SSL_Client_Verify", "X_SSL_Client_S_DN"),
        *("Remote_User", "Proxy_Authorization", "X_Api_Key", "x_kong_upstream", "X_Own", "x.own", "Their_Key"),
    ],
)
def test_no_spelling_of_a_header_that_is_the_gateways_or_says_who_asks_is_an_argument(name):
    schemes = {"a": {"type": "apiKey", "in": "header", "name": "Their-Key"}}
    paths = {"/a": {"get": operation("a", parameters=[parameter(name, "header", required=True), parameter("q")])}}
    tool = only(paths, headers=["X-Own"], components={"securitySchemes": schemes})
    assert set(tool.item["inputSchema"]["properties"]) == {"q"}
    assert tool.parameters == tuple(one for one in tool.parameters if one.name == "q")


@pytest.mark.requirement("REST-007")
def test_headers_of_the_api_itself_are_arguments():
    names = ["If-Match", "Idempotency-Key", "X-Request-Id", "Accept-Language", "X-GitHub-Api-Version", "Prefer"]
    tool = only({"/a": {"get": operation("a", parameters=[parameter(name, "header") for name in names])}})
    assert list(tool.item["inputSchema"]["properties"]) == names


@pytest.mark.requirement("REST-007")
def test_a_header_of_an_operation_stands_for_that_of_its_path_in_whatever_case():
    own = [parameter("x-trace", "header", schema={"type": "integer"})]
    paths = {"/a": {"parameters": [parameter("X-Trace", "header")], "get": operation("a", parameters=own)}}
    assert only(paths).item["inputSchema"]["properties"] == {"x-trace": {"type": "integer"}}
