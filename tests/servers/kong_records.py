"""A log record as Kong writes it, for what reads such records."""

NOW = 1_800_000_000_000
SAID = {
    "format": 1,
    "hop": "guard",
    "outcome": "passed",
    "server": "notes",
    "method": "tools/call",
    "name": "good",
    "principal": "ada",
    "era": "modern",
    "lane": "call",
}


def logged(*, said=SAID, **more):
    base = {
        "request": {"id": "a" * 32, "method": "POST", "size": 600},
        "response": {"status": 200, "size": 500},
        "latencies": {"kong": 1, "proxy": 7, "request": 12.5, "receive": 2},
        "service": {"name": "mcp-notes"},
        "tries": [{"ip": "10.0.0.1"}],
        "started_at": NOW - 1000,
        "source": "upstream",
        "client_ip": "10.0.0.9",
    }
    return {**base, **({} if said is None else {"mcp": said}), **more}
