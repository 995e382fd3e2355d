"""A small ProtoBuf:1 plugin server that does what its plugin's configuration says, for testing gateways.

    odd_server.py dump NAME PRIORITY      prints the description of the plugin
    odd_server.py serve SOCKET            serves any plugin on a socket

The config field ``steps`` is a JSON list of ``[method, argument message, argument, result message]``; their results go
upstream as JSON in the header X-Steps. ``mischief`` is one of die, freeze, garbage, close-once.
"""

import json
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from kong_devkit import wire

FIELDS = [
    {"steps": {"type": "string", "default": "[]"}},
    {"mischief": {"type": "string", "one_of": ["die", "freeze", "garbage", "close-once"]}},
    {"say": {"type": "string", "default": "nothing", "referenceable": True, "len_min": 2}},
    {"count": {"type": "integer", "between": [1, 9], "required": True, "default": 3}},
    {"words": {"type": "set", "elements": {"type": "string", "match": "^[a-z]+$"}, "default": ["alpha"]}},
    {"nested": {"type": "record", "required": True, "fields": [{"on": {"type": "boolean", "default": True}}]}},
    {"map": {"type": "map", "keys": {"type": "string"}, "values": {"type": "number"}}},
]
INSTANCES = {}
LOCK = threading.Lock()


def dump(name, priority):
    schema = {"name": name, "fields": [{"config": {"type": "record", "fields": FIELDS}}]}
    plugin = {"Name": name, "Priority": int(priority), "Version": "1.0", "Phases": ["access"], "Schema": schema}
    sys.stdout.write(json.dumps({"Protocol": "ProtoBuf:1", "Plugins": [plugin]}))


class Link:
    def __init__(self, connection):
        self.connection = connection

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.connection.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read(self):
        (size,) = struct.unpack("<I", self.exactly(4))
        return self.exactly(size)

    def write(self, payload):
        self.connection.sendall(struct.pack("<I", len(payload)) + payload)

    def call(self, method, takes, argument, gives):
        if takes == "KV":
            argument = {"k": argument["k"], "v": wire.to_value(argument["v"])}
        elif takes == "Struct":
            argument = wire.to_struct(argument)
        elif takes == "ExitArgs":
            argument = {**argument, "headers": wire.to_struct(argument.get("headers") or {})}
        self.write(method.encode())
        self.write(wire.encode(takes, argument))
        result = wire.decode(gives, self.read())
        if gives == "Value":
            return None if "null_value" in result else wire.from_value(result)
        if gives == "Struct":
            return wire.from_struct(result)
        if "content" in result and isinstance(result["content"], bytes):
            result["content"] = result["content"].decode("utf-8", "surrogateescape")
        if "body_filepath" in result:
            result["file_size"] = Path(result["body_filepath"]).stat().st_size
        return result.get("v", result)


def misbehave(link, config, instance):
    kind = config.get("mischief")
    if kind == "die":
        os._exit(1)
    if kind == "freeze":
        time.sleep(3600)
    if kind == "close-once" and instance not in SEEN:
        SEEN.add(instance)
        SEEN.add(instance + 1)
        raise EOFError
    if kind == "garbage":
        link.write(b"\xff\xfe not a method")
        link.write(b"\xff\xff\xff")
        link.read()


SEEN = set()


def handle(link, event):
    config = INSTANCES.get(event["instance_id"])
    if config is None:
        # Started by a server before this one: closing makes the gateway start it anew.
        raise EOFError
    misbehave(link, config, event["instance_id"])
    results = [link.call(*step) for step in json.loads(config["steps"])]
    if results:
        link.call("kong.service.request.set_headers", "Struct", {"X-Steps": json.dumps(results)}, "Empty")
    link.write(b"")
    return {}


def start(command):
    config = json.loads(command["config"])
    with LOCK:
        number = len(INSTANCES) + 1
        INSTANCES[number] = config
    Path(sys.argv[2] + ".json").write_text(command["config"])
    return {"instance_status": {"name": command["name"], "instance_id": number, "started_at": 0}}


def serve_one(connection):
    link = Link(connection)
    try:
        while True:
            call = wire.decode("RpcCall", link.read())
            if "cmd_start_instance" in call:
                answer = start(call["cmd_start_instance"])
            elif "cmd_handle_event" in call:
                answer = handle(link, call["cmd_handle_event"])
            else:
                answer = {}
            link.write(wire.encode("RpcReturn", {"sequence": call["sequence"], **answer}))
    except (EOFError, OSError):
        connection.close()


def serve(path):
    fresh = Path(path + ".new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(fresh))
    listener.listen(128)
    fresh.replace(path)  # whoever sees the socket can connect to it: it has its name only once it listens
    sys.stdout.write("odd server listening\n")
    sys.stdout.flush()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    {"dump": dump, "serve": serve}[sys.argv[1]](*sys.argv[2:])
