"""What the feature server lists, page by page. Every name with `secret` in it is for a policy to hide."""

import mcp_types as types

PAGE = 10
NOTES = [f"note://{'secret/' if 40 <= number < 60 else ''}{number:03}" for number in range(200)]
"""Two whole pages of these are secret."""

TEMPLATES = ["note://{number}", "secret://{number}"]
PROMPTS = [f"prompt_{number:02}" for number in range(15)]


def page(items, params, *, empty_cursor=False):
    """Return one page and the cursor of the next: an opaque text, with characters that a careless hand would change."""
    cursor = params.cursor if params is not None else None
    first = 0 if cursor is None else PAGE if cursor == "" else int(cursor.removeprefix("?é "))
    following = first + PAGE
    if following >= len(items):
        return items[first:following], None
    return items[first:following], "" if empty_cursor and first == 0 else f"?é {following}"


async def list_resources(_ctx, params) -> types.ListResourcesResult:
    uris, cursor = page(NOTES, params)
    return types.ListResourcesResult(
        resources=[types.Resource(uri=uri, name=uri) for uri in uris], next_cursor=cursor, ttl_ms=5000
    )


async def list_templates(_ctx, params) -> types.ListResourceTemplatesResult:
    uris, cursor = page(TEMPLATES, params)
    templates = [types.ResourceTemplate(uri_template=uri, name=uri) for uri in uris]
    return types.ListResourceTemplatesResult(resource_templates=templates, next_cursor=cursor)


async def list_prompts(_ctx, params) -> types.ListPromptsResult:
    names, cursor = page(PROMPTS, params, empty_cursor=True)
    return types.ListPromptsResult(prompts=[types.Prompt(name=name) for name in names], next_cursor=cursor)
