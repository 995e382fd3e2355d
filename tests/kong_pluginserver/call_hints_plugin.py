# ruff: noqa: BLE001 - it swallows whatever comes, on purpose
"""A plugin that runs the steps of its configuration and tells what it was answered; served with several `prefetch`."""

import json

version = "1.0.0"
priority = 10
Schema = []
refusal = (503, {}, b"refused")
READS = {
    "headers": lambda kong: kong.request.get_headers(100)["token"],
    "all headers": lambda kong: kong.request.get_headers()["token"],
    "body": lambda kong: kong.request.get_raw_body().decode(),
    "path": lambda kong: kong.request.get_path(),
    "a": lambda kong: kong.request.get_header("a"),
    "b": lambda kong: kong.request.get_header("b"),
}
WRITES = {
    "set": lambda kong: kong.service.request.set_header("x", "y"),
    "log": lambda kong: kong.log.err("x"),
    "clear": lambda kong: kong.service.request.clear_header("x"),
    "context": lambda kong: kong.nginx.set_ctx("k", "v"),
    "upstream": lambda kong: kong.service.set_upstream("replicas"),
}


def swallow(kong, step):
    try:
        READS[step](kong)
    except BaseException:
        return


class Plugin:
    def __init__(self, config):
        self.steps = config["steps"]

    def access(self, kong):
        answers = []
        for step in self.steps:
            kind, _, name = step.partition(" ")
            if kind == "read":
                answers.append(READS[name](kong))
            elif kind == "swallow":
                swallow(kong, name)
            elif kind == "write":
                WRITES[name](kong)
            elif kind == "many":
                for _ in range(int(name)):
                    kong.log.err("x")
            elif kind == "raise":
                raise ValueError
            elif kind == "quiet":
                return
            elif kind == "exit":
                kong.response.exit(200, "x" * int(name or 0) + json.dumps(answers))
        kong.service.request.set_header("x-told", json.dumps(answers))

    log = certificate = access
