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


KEY_AUTH = {"name": "key-auth", "config": {"hide_credentials": True, "key_in_query": False}}

PLAIN = [
    {"name": "any", "hosts": ["x.test"], "paths": ["/"]},
    {"name": "long", "hosts": ["x.test"], "paths": ["/api/v1"], "strip_path": False},
    {"name": "short", "hosts": ["x.test"], "paths": ["/api"]},
    {"name": "regex", "hosts": ["x.test"], "paths": ["~/re/\\d+$"], "strip_path": False},
    {"name": "put", "hosts": ["x.test"], "paths": ["/api"], "methods": ["PUT"], "strip_path": False},
    {"name": "http-only-path", "paths": ["/nohost"], "strip_path": False},
]


def steps(*asked, name="probe"):
    return [probe(name, steps=list(asked))]


# Routes of probes: what they ask Kong for.
READING = [
    route("headers", plugins=steps(GET_HEADERS)),
    route(
        "request",
        plugins=steps(
            ["kong.request.get_method", "Empty", {}, "String"],
            ["kong.request.get_path", "Empty", {}, "String"],
            ["kong.request.get_raw_query", "Empty", {}, "String"],
            ["kong.client.get_forwarded_ip", "Empty", {}, "String"],
            ["kong.nginx.get_var", "String", {"v": "request"}, "String"],
            ["kong.nginx.get_var", "String", {"v": "http_x_one"}, "String"],
            ["kong.nginx.get_var", "String", {"v": "http_X-One"}, "String"],
            ["kong.nginx.get_var", "String", {"v": "ssl_client_raw_cert"}, "String"],
        ),
    ),
    route("few-headers", plugins=steps(["kong.request.get_headers", "Int", {"v": 2}, "Struct"])),
    route("no-max", plugins=steps(["kong.request.get_headers", "Int", {}, "Struct"])),
    route("body", plugins=steps(["kong.request.get_raw_body", "Empty", {}, "RawBodyResult"])),
]

# What they change, and how they end a request.
CHANGING = [
    route(
        "change",
        plugins=steps(
            [
                "kong.service.request.set_headers",
                "Struct",
                {"X-Set": "one", "X-Number": 7, "X-Gone": [], "X-Many": ["a", "b"]},
                "Empty",
            ],
            ["kong.service.request.set_scheme", "String", {"v": "http"}, "Empty"],
            ["kong.service.request.set_path", "String", {"v": "/moved/to here"}, "Empty"],
            ["kong.service.request.set_raw_query", "String", {"v": "new=1"}, "Empty"],
            ["kong.service.request.set_raw_body", "ByteString", {"v": "changed"}, "Empty"],
        ),
    ),
    route(
        "exit",
        plugins=steps(
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
        ),
    ),
]

# What they tell each other.
SHARING = [
    route(
        "shared",
        plugins=[
            *steps(["kong.ctx.shared.set", "KV", {"k": "a", "v": {"deep": [1, "x"]}}, "Empty"]),
            *steps(
                ["kong.ctx.shared.get", "String", {"v": "a"}, "Value"],
                ["kong.ctx.shared.get", "String", {"v": "absent"}, "Value"],
                name="second",
            ),
        ],
    ),
    route(
        "shared-odd",
        plugins=steps(
            ["kong.ctx.shared.set", "KV", {"k": "f", "v": False}, "Empty"],
            ["kong.ctx.shared.get", "String", {"v": "f"}, "Value"],
            ["kong.ctx.shared.set", "KV", {"k": "n", "v": None}, "Empty"],
        ),
    ),
]

GET_CONSUMER = ["kong.client.get_consumer", "Empty", {}, "Consumer"]
LOAD_ANN = ["kong.client.load_consumer", "ConsumerSpec", {"id": "ann", "by_username": True}, "Consumer"]

# What they see of the configuration.
SEEING = [
    route("entities", plugins=[KEY_AUTH, *steps(["kong.router.get_route", "Empty", {}, "Route"], GET_CONSUMER)]),
    route("loaded", plugins=steps(LOAD_ANN)),
    route("ip-opened", plugins=steps(["kong.service.set_upstream", "String", {"v": "open"}, "Bool"])),
    route("nobody", plugins=steps(GET_CONSUMER)),
]

# How they fail.
FAILING = [
    route("unknown-method", plugins=steps(["kong.no.such", "Empty", {}, "Empty"])),
    route("bad-argument", plugins=steps(["kong.service.request.set_path", "String", {"v": "nope"}, "Empty"])),
    route("slow-close", plugins=[probe(mischief="close-once")]),
    route("garbled", plugins=[probe(mischief="garbage")]),
]

VAULT = [route("vault", plugins=[probe(say="{vault://env/probe-word}")])]


def closed(port):
    routes = [
        route("closed"),
        *(
            route(name, plugins=steps(["kong.service.set_upstream", "String", {"v": upstream}, "Bool"]))
            for name, upstream in (("opened", "open"), ("misopened", "nonesuch"))
        ),
    ]
    return {**service(port, "closed", routes), "host": "closed"}


def document(port):
    """Return the document for an upstream server at `port`."""
    based = [route("based", paths=["/in"]), route("based-keep", paths=["/in"], strip_path=False)]
    slashed = [route("slashed", paths=["/in/"]), route("slashed-keep", paths=["/in"], strip_path=False)]
    return {
        "services": [
            service(port, "plain", PLAIN),
            service(port, "based", based, "/base"),
            service(port, "slashed", slashed, "/base/"),
            service(port, "keyed", [route("keyed", plugins=[KEY_AUTH])]),
            service(port, "probed", [*READING, *CHANGING, *SHARING, *SEEING, *FAILING, *VAULT]),
            closed(port),
            service(1, "dead", [route("dead")], retries=1),
            service(port, "hanging", [route("hanging", paths=["/"])], read_timeout=300, retries=0),
            service(port, "streams", [route("streamed", response_buffering=False)]),
        ],
        "upstreams": [{"name": "closed"}, {"name": "open", "targets": [{"target": f"127.0.0.1:{port}"}]}],
        "consumers": [
            {"username": "ann", "custom_id": "a-1", "keyauth_credentials": [{"key": "ann-key"}], "tags": ["group:a"]},
            {"username": "bob", "keyauth_credentials": [{"key": "bob-key"}]},
        ],
    }
