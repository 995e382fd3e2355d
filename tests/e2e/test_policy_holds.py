"""What the policy forbids is neither seen nor executed, in either era, for any client."""

import asyncio
import json

import pytest
from mcp import MCPError

from e2e.harness import call, connect, modern

ERAS = ["legacy", "2026-07-28"]


@pytest.mark.requirement("E2E-001")
@pytest.mark.parametrize("mode", ERAS)
def test_lists_show_only_what_the_policy_allows(gateway, mode):
    async def run():
        async with connect(gateway, "bob", mode) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
            resources = [str(resource.uri) for resource in (await client.list_resources()).resources]
            templates = [
                template.uri_template for template in (await client.list_resource_templates()).resource_templates
            ]
        return tools, prompts, resources, templates

    tools, prompts, resources, templates = asyncio.run(run())
    assert tools == ["good", "read_note", "whoami", "report"]
    assert prompts == ["greet"]
    assert resources == ["note://public"]
    assert templates == ["public://{title}"]


@pytest.mark.requirement("E2E-003")
@pytest.mark.parametrize("mode", ERAS)
def test_what_the_policy_allows_works_as_without_a_gateway(gateway, mode):
    steps = []

    async def on_progress(progress, total, message):
        steps.append((progress, total, message))

    async def run():
        async with connect(gateway, "bob", mode) as client:
            called = await client.call_tool("good", {"text": "é" * 20_000})
            prompt = await client.get_prompt("greet")
            read = await client.read_resource("note://public")
            templated = await client.read_resource("public://x")
            reported = await client.call_tool("report", {"steps": 3}, progress_callback=on_progress)
        return called, prompt, read, templated, reported

    called, prompt, read, templated, reported = asyncio.run(run())
    assert called.content[0].text == "good: " + "é" * 20_000
    assert prompt.messages[0].content.text == "hello"
    assert read.contents[0].text == "public"
    assert templated.contents[0].text == "x"
    assert reported.content[0].text == "reported"
    assert [step[0] for step in steps] == [1, 2, 3]


@pytest.mark.requirement("E2E-002")
@pytest.mark.parametrize("mode", ERAS)
def test_a_forbidden_call_is_refused_as_unknown_and_reaches_no_server(gateway, mode):
    before = gateway.executed()

    async def refusal(asked, *arguments):
        with pytest.raises(MCPError) as caught:
            await asked(*arguments)
        return caught.value.error.code, caught.value.error.message

    async def run():
        async with connect(gateway, "bob", mode) as client:
            return [
                await refusal(client.call_tool, "bad", {"text": "x"}),
                await refusal(client.call_tool, "nix", {"text": "x"}),
                await refusal(client.get_prompt, "hidden_prompt"),
                await refusal(client.get_prompt, "nix"),
                await refusal(client.read_resource, "note://secret"),
                await refusal(client.read_resource, "note://nix"),
            ]

    tool, no_tool, prompt, no_prompt, resource, no_resource = asyncio.run(run())
    assert tool == (-32602, "Unknown tool: bad")
    assert no_tool == (-32602, "Unknown tool: nix")
    assert prompt == (-32602, "Unknown prompt: hidden_prompt")
    assert no_prompt == (-32602, "Unknown prompt: nix")
    assert [one[0] for one in (resource, no_resource)] == ([-32002] * 2 if mode == "legacy" else [-32602] * 2)
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-004")
@pytest.mark.parametrize("mode", ERAS)
def test_rules_for_a_consumer_and_a_group_hold_in_both_directions(gateway, mode):
    async def run(name):
        async with connect(gateway, name, mode) as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            prompts = {prompt.name for prompt in (await client.list_prompts()).prompts}
            outcomes = {}
            for tool, arguments in (("bad", {"text": "x"}), ("report", {"steps": 1})):
                try:
                    outcomes[tool] = (await client.call_tool(tool, arguments)).content[0].text
                except MCPError as error:
                    outcomes[tool] = error.error.message
            return tools, prompts, outcomes

    tools, prompts, outcomes = asyncio.run(run("ada"))
    assert "bad" in tools
    assert prompts == {"greet"}
    assert outcomes == {"bad": "bad: x", "report": "reported"}
    tools, prompts, outcomes = asyncio.run(run("eve"))
    assert tools == {"good", "read_note", "whoami"}
    assert prompts == {"greet", "hidden_prompt"}
    assert outcomes == {"bad": "Unknown tool: bad", "report": "Unknown tool: report"}


@pytest.mark.requirement("E2E-005")
def test_nobody_without_a_key_gets_past_kong(gateway):
    with gateway.client() as client:
        answer = client.post(gateway.url(), json=call("good"))
    assert answer.status_code == 401


@pytest.mark.requirement("E2E-005")
def test_forged_identity_headers_change_nothing(gateway):
    forged = {"X-Consumer-Username": "ada", "X-Consumer-ID": "ada", "X-Consumer-Groups": "readers"}
    before = gateway.executed()
    with gateway.client("bob") as client:
        client.post(gateway.url(), json=call("good"))
        answer = client.post(gateway.url(), json=call("bad"), headers=forged)
    assert answer.json()["error"]["message"] == "Unknown tool: bad"
    assert ["tool", "bad"] not in gateway.executed()[len(before) :]


@pytest.mark.requirement("E2E-006")
@pytest.mark.parametrize(
    "header",
    [
        {"mcp-gateway-context": "x"},
        {"mcp-affinity": "x"},
        {"mcp-gateway-target": "x"},
        {"x-http-method-override": "DELETE"},
        {"content-encoding": "gzip"},
        {"content-type": "text/plain"},
        {"mcp-method": "tools/list"},
        {"mcp-name": "bad"},
        {"mcp-protocol-version": "2024-01-01"},
        {"origin": "https://attacker.example"},
    ],
)
def test_a_header_that_could_mislead_is_refused(gateway, header):
    before = gateway.executed()
    with gateway.client("bob") as client:
        answer = client.post(gateway.url(), json=call("good"), headers=header)
    assert answer.status_code in (400, 403, 415)
    assert answer.json()["error"]["code"] in (-32020, -32600, -32022, -32003)
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-006")
@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","name":"bad","arguments":{"text":"x"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","n\\u0061me":"bad"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good","Name":"bad"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"good"}}{}',
        json.dumps(call("bad")).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps(call("bad")).encode(),
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["bad"]}}',
    ],
)
def test_a_spelling_that_readers_could_differ_on_is_refused(gateway, body):
    before = gateway.executed()
    with gateway.client("bob") as client:
        answer = client.post(gateway.url(), content=body)
    assert answer.json()["error"]["code"] in (-32700, -32600, -32602)
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-006")
@pytest.mark.parametrize(
    "path", ["/notes/mcp/", "/notes//mcp", "/notes/mcp%2f", "/Notes/mcp", "/notes/mcp;x", "/notes/%6dcp/x"]
)
def test_a_variant_of_the_path_finds_nothing_or_the_same_guard(gateway, path):
    before = gateway.executed()
    with gateway.client("bob") as client:
        answer = client.post(f"http://127.0.0.1:{gateway.dev.port}{path}", json=call("bad"))
    assert answer.status_code == 404 or answer.json()["error"]["code"] == -32602
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-007")
def test_a_batch_is_authorised_whole(gateway):
    before = gateway.executed()
    with gateway.client("bob") as client:
        answer = client.post(gateway.url(), json=[call("good"), {**call("bad"), "id": 2}])
    assert answer.json()["error"]["message"] == "Unknown tool: bad"
    assert gateway.executed() == before


@pytest.mark.requirement("E2E-008")
def test_kong_sees_the_truth_in_mcp_method_and_mcp_name(gateway):
    with gateway.client("bob") as client:
        client.post(gateway.url(), json=call("good"))
    _, headers = gateway.servers["notes"][0].requests()[-1]
    assert headers["mcp-method"] == "tools/call"
    assert headers["mcp-name"] == "good"
    assert "apikey" not in headers


@pytest.mark.requirement("E2E-009")
@pytest.mark.parametrize("method", ["tools/call", "tools/list"])
def test_an_agent_s_credentials_never_reach_the_server(gateway, method):
    secrets = {"Authorization": "Bearer agents-own-token", "Cookie": "session=agents-own"}
    meta = modern("good")["json"]["params"]["_meta"]
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    headers = modern("good")["headers"] | {"Mcp-Method": method}
    if method == "tools/call":
        message["params"] |= {"name": "good", "arguments": {"text": "x"}}
    else:
        del headers["Mcp-Name"]
    with gateway.client("bob") as client:
        answer = client.post(gateway.url(), json=message, headers=headers | secrets)
    assert answer.status_code == 200
    _, seen = gateway.servers["notes"][0].requests()[-1]
    assert seen["mcp-method"] == method
    assert not {"authorization", "cookie", "apikey", "mcp-gateway-context"} & set(seen)
    assert "agents-own" not in str(seen)
