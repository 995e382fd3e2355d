# ruff: noqa: ARG001, BLE001, SIM105, N818, PTH110, PTH123 - it does wrong on purpose, in as few words as can be
"""A plugin that does what its configuration says, most of it wrong; the tests serve it as a plugin file."""

import os
import signal
import sys
import threading
import time

version = "1.0.0"
priority = 10
Schema = [{"do": {"type": "string", "required": True, "description": "Which of the functions below to run."}}]
refusal = (503, {"Content-Type": "application/json", "X-Refused-By": "odd"}, b'{"error":"odd"}')
unreadable = (400, {"Content-Type": "application/json", "X-Refused-By": "odd"}, b'{"error":"no text"}')


def nothing(kong):
    pass


def raises(kong):
    raise ValueError("secret-token-123")


def raises_later(kong):
    kong.request.get_method()
    raise ValueError("secret-token-123")


def exits_python(kong):
    sys.exit(3)


def recurses(kong):
    recurses(kong)


def runs_out_of_memory(kong):
    bytes(1 << 62)


def interrupts(kong):
    raise KeyboardInterrupt


def sleeps(kong):
    kong.request.get_method()
    time.sleep(30)


def spins(kong):
    while True:
        pass


def spins_and_swallows(kong):
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                pass
        except BaseException:
            pass


def reads_method(kong):
    kong.request.get_method()


def swallows_everything(kong):
    try:
        kong.request.get_headers()
    except BaseException:
        pass


def catches_exceptions(kong):
    try:
        kong.request.get_headers()
        kong.request.get_raw_body()
    except Exception:
        pass


def denies(kong):
    kong.response.exit(403, {"message": "no"}, {"X-Why": "because"})
    kong.service.request.set_header("never", "reached")


def denies_and_goes_on(kong):
    try:
        kong.response.exit(403, "no")
    except BaseException:
        pass
    try:
        kong.service.request.set_header("never", "sent")
    except BaseException:
        pass


def denies_badly(kong):
    kong.response.exit(99, "no")


def echoes_body(kong):
    body = kong.request.get_raw_body()
    kong.service.request.set_header("x-length", f"{type(body).__name__} {len(body)}")


def calls_unknown(kong):
    kong.request.get_shoe_size()


def calls_from_a_thread(kong):
    seen = []

    def call():
        try:
            kong.request.get_method()
        except Exception as error:
            seen.append(type(error).__name__)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    kong.service.request.set_header("x-seen", seen[0])


def kills_itself(kong):
    os.kill(os.getpid(), signal.SIGKILL)


def tells_pid(kong):
    kong.request.get_method()
    kong.service.request.set_header("x-pid", str(os.getpid()))


def opens_upstream(kong):
    kong.service.set_upstream("nowhere")


class BadConfig(Exception):
    log_safe = True


class Plugin:
    def __init__(self, config):
        self.config = config
        if config["do"] == "fails to start":
            raise RuntimeError("secret-token-123")
        if config["do"] == "says why it fails":
            raise BadConfig("policy: no such file")
        if config["do"] == "starts forever":
            time.sleep(30)
        if config["do"] == "starts once" and os.path.exists(config["flag"]):
            raise RuntimeError("secret-token-123")
        if config["do"] == "starts once":
            open(config["flag"], "w").close()
        self.run = globals().get(config["do"], nothing)

    def access(self, kong):
        self.run(kong)

    def log(self, kong):
        self.run(kong)

    def certificate(self, kong):
        self.run(kong)
