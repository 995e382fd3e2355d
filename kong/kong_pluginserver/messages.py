"""The messages of the plugin protocol that describe Kong's entities: field numbers, names as Kong calls them, kinds.

Read from Kong 3.9.1, kong/include/kong/pluginsocket.proto. Message names do not travel, so they are ours.
"""

from __future__ import annotations

from typing import Final

from kong_pluginserver.wire import Field, Message

KEY: Final[Message] = {1: Field("id", "text")}
CREDENTIAL: Final[Message] = {1: Field("id", "text"), 2: Field("consumer_id", "text")}
CONSUMER: Final[Message] = {
    1: Field("id", "text"),
    2: Field("created_at", "int"),
    3: Field("username", "text"),
    4: Field("custom_id", "text"),
    5: Field("tags", "text", many=True),
}
ROUTE: Final[Message] = {
    1: Field("id", "text"),
    2: Field("created_at", "int"),
    3: Field("updated_at", "int"),
    4: Field("name", "text"),
    5: Field("protocols", "text", many=True),
    6: Field("methods", "text", many=True),
    7: Field("hosts", "text", many=True),
    8: Field("paths", "text", many=True),
    9: Field("headers", "text", many=True),
    10: Field("https_redirect_status_code", "int"),
    11: Field("regex_priority", "int"),
    12: Field("strip_path", "bool"),
    13: Field("preserve_host", "bool"),
    14: Field("snis", "text", many=True),
    15: Field("sources", "text", many=True),
    16: Field("destinations", "text", many=True),
    17: Field("tags", "text", many=True),
    18: Field("service", KEY),
}
SERVICE: Final[Message] = {
    1: Field("id", "text"),
    2: Field("created_at", "int"),
    3: Field("updated_at", "int"),
    4: Field("name", "text"),
    5: Field("retries", "int"),
    6: Field("protocol", "text"),
    7: Field("host", "text"),
    8: Field("port", "int"),
    9: Field("path", "text"),
    10: Field("connect_timeout", "int"),
    11: Field("write_timeout", "int"),
    12: Field("read_timeout", "int"),
    13: Field("tags", "text", many=True),
    14: Field("client_certificate", KEY),
}
DICT_STATS: Final[Message] = {1: Field("allocated_slabs", "int"), 2: Field("capacity", "int")}
MEMORY: Final[Message] = {
    1: Field("lua_shared_dicts", {1: Field("kong", DICT_STATS), 2: Field("kong_db_cache", DICT_STATS)}),
    2: Field("workers_lua_vms", {1: Field("http_allocated_gc", "int"), 2: Field("pid", "int")}, many=True),
}
AUTHENTICATE: Final[Message] = {1: Field("consumer", CONSUMER), 2: Field("credential", CREDENTIAL)}
CAPTURES: Final[Message] = {1: Field("unnamed", "text", many=True), 2: Field("named", "bytemap")}
