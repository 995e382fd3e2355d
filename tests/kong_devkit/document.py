"""The declarative document of the shared gateways: a host of its own, NAME.test, for each case."""

import json

GET_HEADERS = ["kong.request.get_headers", "Int", {"v": 100}, "Struct"]


def probe(name="probe", /, **config):
    return {
        "name": name,
        "config": {key: json.dumps(value) if "steps" in key else value for key, value in config.items()},
    }


def route(name, **more):
    return {"name": name, "hosts": [f"{name}.test"], **more}


def service(port, name, routes, path=None, **more):
    base = {"name": name, "host": "127.0.0.1", "port": port, "routes": routes, **more}
    return {**base, "path": path} if path else base


KEY_AUTH = {"name": "key-auth", "config": {"hide_credentials": True}}

PLAIN = [
    {"name": "any", "hosts": ["x.test"], "paths": ["/"]},
    {"name": "long", "hosts": ["x.test"], "paths": ["/api/v1"], "strip_path": False},
    {"name": "short", "hosts": ["x.test"], "paths": ["/api"]},
    {"name": "regex", "hosts": ["x.test"], "paths": ["~/re/(?<id>\\d+)$"], "strip_path": False},
    {"name": "regex-high", "hosts": ["x.test"], "paths": ["~/re/7\\d+"], "regex_priority": 5},
    {"name": "put", "hosts": ["x.test"], "paths": ["/api"], "methods": ["PUT"], "strip_path": False},
    {"name": "headed", "hosts": ["x.test"], "headers": {"x-lane": ["fast"]}, "paths": ["/"]},
    {"name": "wild", "hosts": ["*.wild.test"], "preserve_host": True},
    {"name": "http-only-path", "paths": ["/nohost"], "strip_path": False},
]

KEYED = [
    route("keyed", plugins=[KEY_AUTH]),
    route("grouped", plugins=[KEY_AUTH, {"name": "acl", "config": {"allow": ["admins"]}}]),
    route("denied", plugins=[KEY_AUTH, {"name": "acl", "config": {"deny": ["admins"]}}]),
    route("anonymous", plugins=[{"name": "key-auth", "config": {"anonymous": "nobody"}}]),
    route("acl-alone", plugins=[{"name": "acl", "config": {"allow": ["admins"]}}]),
]

LIMITED = [
    route("ip-allowed", plugins=[{"name": "ip-restriction", "config": {"allow": ["127.0.0.0/8"]}}]),
    route("ip-denied", plugins=[{"name": "ip-restriction", "config": {"deny": ["127.0.0.1"]}}]),
    route(
        "ended",
        plugins=[{"name": "request-termination", "config": {"status_code": 418, "message": "no coffee"}}],
    ),
    route(
        "correlated",
        plugins=[{"name": "correlation-id", "config": {"header_name": "X-Corr", "echo_downstream": True}}],
    ),
]

# Routes of probes: what they ask Kong for.
READING = [
    route("headers", plugins=[probe(steps=[GET_HEADERS])]),
    route(
        "request",
        plugins=[
            probe(
                steps=[
                    ["kong.request.get_method", "Empty", {}, "String"],
                    ["kong.request.get_path", "Empty", {}, "String"],
                    ["kong.request.get_path_with_query", "Empty", {}, "String"],
                    ["kong.request.get_raw_query", "Empty", {}, "String"],
                    ["kong.request.get_query", "Int", {"v": 10}, "Struct"],
                    ["kong.request.get_query_arg", "String", {"v": "a"}, "String"],
                    ["kong.request.get_host", "Empty", {}, "String"],
                    ["kong.request.get_scheme", "Empty", {}, "String"],
                    ["kong.request.get_http_version", "Empty", {}, "Number"],
                    ["kong.client.get_ip", "Empty", {}, "String"],
                    ["kong.request.get_header", "String", {"v": "X_One"}, "String"],
                    ["kong.nginx.get_var", "String", {"v": "request_uri"}, "String"],
                    ["kong.nginx.get_var", "String", {"v": "nonesuch"}, "String"],
                    ["kong.client.get_protocol", "Bool", {"v": True}, "String"],
                ]
            )
        ],
    ),
    route("few-headers", plugins=[probe(steps=[["kong.request.get_headers", "Int", {"v": 2}, "Struct"]])]),
    route("no-max", plugins=[probe(steps=[["kong.request.get_headers", "Int", {}, "Struct"]])]),
    route("body", plugins=[probe(steps=[["kong.request.get_raw_body", "Empty", {}, "RawBodyResult"]])]),
]

# What they change, and how they end a request.
CHANGING = [
    route(
        "change",
        plugins=[
            probe(
                steps=[
                    ["kong.service.request.set_header", "KV", {"k": "X-Set", "v": "one"}, "Empty"],
                    ["kong.service.request.add_header", "KV", {"k": "X-Set", "v": "two"}, "Empty"],
                    ["kong.service.request.set_header", "KV", {"k": "X-Number", "v": 7}, "Empty"],
                    ["kong.service.request.clear_header", "String", {"v": "X-Forged"}, "Empty"],
                    ["kong.service.request.set_headers", "Struct", {"X-Gone": [], "X-Many": ["a", "b"]}, "Empty"],
                    ["kong.service.request.set_path", "String", {"v": "/moved/to here"}, "Empty"],
                    ["kong.service.request.set_raw_query", "String", {"v": "new=1"}, "Empty"],
                    ["kong.service.request.set_method", "String", {"v": "PUT"}, "Empty"],
                    ["kong.service.request.set_raw_body", "ByteString", {"v": "changed"}, "Empty"],
                    ["kong.response.set_header", "KV", {"k": "X-From-Plugin", "v": "yes"}, "Empty"],
                ]
            )
        ],
    ),
    route(
        "exit",
        plugins=[
            probe(
                steps=[
                    [
                        "kong.response.exit",
                        "ExitArgs",
                        {
                            "status": 403,
                            "body": '{"no":1}',
                            "headers": {"Content-Type": "application/json", "X-Why": "because"},
                        },
                        "Empty",
                    ]
                ]
            )
        ],
    ),
]

# What they tell each other.
SHARING = [
    route(
        "shared",
        plugins=[
            probe(steps=[["kong.ctx.shared.set", "KV", {"k": "a", "v": {"deep": [1, "x"]}}, "Empty"]]),
            probe(
                "second",
                steps=[
                    ["kong.ctx.shared.get", "String", {"v": "a"}, "Value"],
                    ["kong.ctx.shared.get", "String", {"v": "absent"}, "Value"],
                ],
            ),
        ],
    ),
    route(
        "shared-odd",
        plugins=[
            probe(
                steps=[
                    ["kong.ctx.shared.set", "KV", {"k": "f", "v": False}, "Empty"],
                    ["kong.ctx.shared.get", "String", {"v": "f"}, "Value"],
                    ["kong.ctx.shared.set", "KV", {"k": "n", "v": None}, "Empty"],
                ]
            )
        ],
    ),
]

# What they see of the configuration.
SEEING = [
    route(
        "entities",
        plugins=[
            KEY_AUTH,
            probe(
                steps=[
                    ["kong.router.get_route", "Empty", {}, "Route"],
                    ["kong.router.get_service", "Empty", {}, "Service"],
                    ["kong.client.get_consumer", "Empty", {}, "Consumer"],
                    ["kong.client.get_credential", "Empty", {}, "Credential"],
                ]
            ),
        ],
    ),
    route(
        "ip-opened",
        plugins=[probe(steps=[["kong.service.set_upstream", "String", {"v": "open"}, "Bool"]])],
    ),
    route("nobody", plugins=[probe(steps=[["kong.client.get_consumer", "Empty", {}, "Consumer"]])]),
]

# How they fail.
FAILING = [
    route("unknown-method", plugins=[probe(steps=[["kong.no.such", "Empty", {}, "Empty"]])]),
    route("wrong-phase", plugins=[probe(steps=[["kong.response.get_status", "Empty", {}, "Int"]])]),
    route(
        "bad-argument",
        plugins=[probe(steps=[["kong.service.request.set_path", "String", {"v": "nope"}, "Empty"]])],
    ),
    route("slow-close", plugins=[probe(mischief="close-once")]),
    route("garbled", plugins=[probe(mischief="garbage")]),
]

# What they do with the answer, and with secrets.
LATE = [
    route(
        "buffered",
        plugins=[
            probe(
                "late",
                response_steps=[
                    ["kong.response.get_status", "Empty", {}, "Int"],
                    ["kong.service.response.get_header", "String", {"v": "x-upstream"}, "String"],
                ],
            )
        ],
    ),
    route(
        "vault",
        plugins=[
            probe(
                say="{vault://env/probe-word}",
                steps=[["kong.log.notice", "ListValue", ["hello ", 1, True], "Empty"]],
            )
        ],
    ),
]


# name -> configuration of response-transformer, and the values that the answer's headers have then
TRANSFORMED = {
    "removed": ({"remove": ["x-upstream"]}, {"X-Upstream": None}),
    "removed-absent": ({"remove": ["X-None"]}, {"X-None": None, "X-Upstream": ["one"]}),
    "renamed": ({"rename": ["X-Upstream:X-Other"]}, {"X-Upstream": None, "X-Other": ["one"]}),
    "renamed-absent": ({"rename": ["X-None:X-Other"]}, {"X-Other": None, "X-Upstream": ["one"]}),
    "replaced": ({"replace": ["X-Upstream:two: 2"]}, {"X-Upstream": ["two: 2"]}),
    "replaced-absent": ({"replace": ["X-Other:two"]}, {"X-Other": None}),
    "added": ({"add": ["X-Other:1", "X-Upstream:two"]}, {"X-Other": ["1"], "X-Upstream": ["one"]}),
    "appended": ({"append": ["X-Upstream:two", "X-Other:1"]}, {"X-Upstream": ["one", "two"], "X-Other": ["1"]}),
    # Later steps look at the answer as it came, not at what earlier steps made of it.
    "removed-replaced": ({"remove": ["X-Upstream"], "replace": ["X-Upstream:two"]}, {"X-Upstream": ["two"]}),
    "removed-added": ({"remove": ["X-Upstream"], "add": ["X-Upstream:two"]}, {"X-Upstream": None}),
    "removed-renamed": (
        {"remove": ["X-Other"], "rename": ["X-Upstream:X-Other"]},
        {"X-Upstream": None, "X-Other": ["one"]},
    ),
    "renamed-replaced": (
        {"rename": ["X-Upstream:X-Other"], "replace": ["X-Other:two"]},
        {"X-Upstream": None, "X-Other": ["one"]},
    ),
}


def transformer(config):
    return {"name": "response-transformer", "config": {step: {"headers": pairs} for step, pairs in config.items()}}


def closed(port):
    target = ["kong.service.set_target", "Target", {"host": "127.0.0.1", "port": port}, "Empty"]
    routes = [
        route("closed"),
        route("closed-transformed", plugins=[transformer({"add": ["X-Other:1"], "remove": ["Server"]})]),
        *(
            route(name, plugins=[probe(steps=[["kong.service.set_upstream", "String", {"v": upstream}, "Bool"]])])
            for name, upstream in (("opened", "open"), ("misopened", "nonesuch"))
        ),
        route("targeted", plugins=[probe(steps=[target])]),
    ]
    return {**service(port, "closed", routes), "host": "closed"}


def document(port, stream_port):
    """Return the document for an upstream server at `port`; requests to `stream_port` are not buffered."""
    based = [route("based", paths=["/in"]), route("based-keep", paths=["/in"], strip_path=False)]
    slashed = [route("slashed", paths=["/in/"]), route("slashed-keep", paths=["/in"], strip_path=False)]
    unbuffered = [route("unbuffered", request_buffering=False, response_buffering=False)]
    transformed = [route(name, plugins=[transformer(config)]) for name, (config, _) in TRANSFORMED.items()]
    return {
        "services": [
            service(port, "plain", PLAIN),
            service(port, "based", based, "/base"),
            service(port, "slashed", slashed, "/base/"),
            service(port, "keyed", KEYED),
            service(port, "limited", LIMITED),
            service(port, "probed", [*READING, *CHANGING, *SHARING, *SEEING, *FAILING, *LATE]),
            service(port, "transformed", transformed),
            closed(port),
            service(1, "dead", [route("dead")], retries=1),
            service(port, "hanging", [route("hanging", paths=["/"])], read_timeout=300, retries=0),
            service(port, "streams", [route("streamed", response_buffering=False)]),
            service(stream_port, "unbuffered", unbuffered),
            service(port, "off", [route("off")], enabled=False),
        ],
        "routes": [{"name": "no-service", "hosts": ["no-service.test"]}],
        "upstreams": [{"name": "closed"}, {"name": "open", "targets": [{"target": f"127.0.0.1:{port}"}]}],
        "consumers": [
            {
                "username": "ann",
                "custom_id": "a-1",
                "keyauth_credentials": [{"key": "ann-key"}],
                "acls": [{"group": "admins"}, {"group": "staff"}],
                "plugins": [],
            },
            {"username": "bob", "keyauth_credentials": [{"key": "bob-key"}]},
            {"username": "nobody"},
        ],
    }
