"""An MCP server of the official SDK with what agents use beyond plain calls: `python feature_server.py --help`.

It writes down what it executes, what it is told, and what was cancelled.
"""

import mcp_types as types
from mcp.server import NotificationOptions, Server
from mcp.server.caching import CacheHint
from mcp.server.subscriptions import ListenHandler
from starlette.applications import Starlette

from servers import feature_lists
from servers.event_store import MemoryEventStore
from servers.feature_tools import Tools, session_of
from servers.journal import Journal, read_options, serve
from servers.old_transport import old_app

RETRY_MILLISECONDS = 50
BODY_BYTES = 64 * 1024 * 1024
"""Far above what a gateway lets through, so that a refusal of large bodies is the gateway's."""


class AnnouncingServer(Server):
    """Tells agents of the legacy era that its lists may change, which is not the SDK's default."""

    def create_initialization_options(self, notification_options=None, *rest):
        changes = NotificationOptions(prompts_changed=True, resources_changed=True, tools_changed=True)
        return super().create_initialization_options(notification_options or changes, *rest)


def build(journal: Journal) -> Server:
    tools = Tools(journal)
    listen = ListenHandler(tools.bus)

    async def read(_ctx, params) -> types.ReadResourceResult:
        journal.write("resource", params.uri)
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=params.uri)])

    async def prompt(_ctx, params) -> types.GetPromptResult:
        journal.write("prompt", params.name)
        said = types.PromptMessage(role="user", content=types.TextContent(text=params.name))
        return types.GetPromptResult(messages=[said])

    async def complete(_ctx, params) -> types.CompleteResult:
        journal.write("complete", params.argument.value)
        return types.CompleteResult(completion=types.Completion(values=[params.argument.value + "0"]))

    async def subscribe(_ctx, params) -> types.EmptyResult:
        journal.write("subscribe", params.uri)
        return types.EmptyResult()

    async def unsubscribe(_ctx, params) -> types.EmptyResult:
        journal.write("unsubscribe", params.uri)
        return types.EmptyResult()

    async def subscriptions(ctx, params) -> types.SubscriptionsListenResult:
        try:
            return await listen(ctx, params)
        finally:
            journal.write("unheard", ctx.request_id)

    async def set_level(ctx, params) -> types.EmptyResult:
        tools.levels[session_of(ctx)] = params.level
        journal.write("level", params.level)
        return types.EmptyResult()

    async def roots_changed(_ctx, _params) -> None:
        journal.write("notification", "roots")

    return AnnouncingServer(
        journal.name,
        instructions=f"This is {journal.name}.",
        cache_hints={"tools/list": CacheHint(60_000, "public"), "resources/read": CacheHint(7_000, "public")},
        get_tool_input_schema=tools.schema,
        on_list_tools=tools.listing,
        on_call_tool=tools.call,
        on_list_resources=feature_lists.list_resources,
        on_list_resource_templates=feature_lists.list_templates,
        on_list_prompts=feature_lists.list_prompts,
        on_read_resource=read,
        on_get_prompt=prompt,
        on_completion=complete,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
        on_subscriptions_listen=subscriptions,
        on_set_logging_level=set_level,
        on_roots_list_changed=roots_changed,
    )


def new_app(server, options) -> Starlette:
    return server.streamable_http_app(
        json_response=options.json,
        event_store=MemoryEventStore(),
        retry_interval=RETRY_MILLISECONDS,
        max_request_body_size=BODY_BYTES,
    )


def main() -> None:
    options = read_options(__doc__, sse="speak the transport of 2024-11-05, at /sse")
    journal = Journal(options.name, options.journal)
    server = build(journal)
    serve(old_app(server) if options.sse else new_app(server, options), journal, options)


if __name__ == "__main__":
    main()
