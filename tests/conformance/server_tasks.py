"""The tasks extension (io.modelcontextprotocol/tasks, SEP-2663) on our server, and the tools that become tasks."""

import asyncio
import datetime as dt
import secrets

from mcp.server.extension import Extension, MethodBinding, ToolBinding
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    InputRequiredResult,
    RequestParams,
)
from server_rounds import NAME, answers, ask

IDENTIFIER = "io.modelcontextprotocol/tasks"
MODERN = frozenset({"2026-07-28"})
TTL_MS = 60_000
POLL_MS = 100


class TaskParams(RequestParams):
    """What names a task in tasks/get, tasks/cancel and tasks/update."""

    task_id: str
    input_responses: dict | None = None


class Task:
    """One running or ended tool call. `questions` are those that nobody has answered yet."""

    def __init__(self, job, arguments):
        self.id = secrets.token_urlsafe(12)
        self.questions = {}
        self.answers = {}
        self._answered = asyncio.Event()
        self._created = _now()
        self._state = {"status": "working"}
        self._updated = self._created
        self._running = asyncio.create_task(self._run(job, arguments))

    async def _run(self, job, arguments):
        try:
            text, is_error = await job(self, **arguments)
        except asyncio.CancelledError:
            self._settle("cancelled")
        except RuntimeError as error:
            self._settle("failed", error={"code": INTERNAL_ERROR, "message": str(error)})
        else:
            content = [{"type": "text", "text": text}]
            self._settle("completed", result={"content": content, "isError": is_error, "resultType": "complete"})

    def _settle(self, status, **more):
        self._state = {"status": status, **more}
        self._updated = _now()

    async def ask(self, questions):
        """Wait until the client has answered every question."""
        self.questions = dict(questions)
        self._settle("input_required")
        await self._answered.wait()
        self._settle("working")

    def answer(self, responses):
        known = self.questions.keys() & responses.keys()
        self.answers |= {key: responses[key] for key in known}
        for key in known:
            del self.questions[key]
        if known and not self.questions:
            self._answered.set()

    async def cancel(self):
        self._running.cancel()
        await asyncio.wait([self._running])

    def created(self):
        times = {"createdAt": self._created, "lastUpdatedAt": self._updated}
        limits = {"ttlMs": TTL_MS, "pollIntervalMs": POLL_MS}
        return {"resultType": "task", "taskId": self.id, "status": "working", **times, **limits}

    def detailed(self):
        pending = {
            key: question.model_dump(mode="json", by_alias=True, exclude_none=True)
            for key, question in self.questions.items()
        }
        shown = {"inputRequests": pending} if self._state["status"] == "input_required" else {}
        return {**self.created(), "resultType": "complete", **self._state, **shown}


def _now():
    return dt.datetime.now(dt.UTC).isoformat()


async def _slow_compute(_task, seconds=0, label=""):
    await asyncio.sleep(seconds)
    return f"computed {label}", False


async def _failing_job(_task):
    return "this job always fails", True


async def _protocol_error_job(_task):
    raise RuntimeError("this job breaks")


async def _confirm_delete(task, filename=""):
    await task.ask({"confirm": ask(f"Delete {filename}?", confirm="boolean")})
    return f"deleted {filename}", False


async def _multi_input(task):
    await task.ask({"first": NAME, "second": ask("Go on?", confirm="boolean")})
    return "both answered", False


async def _after_rounds(_task, name=""):
    return f"worked for {name}", False


JOBS = {
    "slow_compute": _slow_compute,
    "failing_job": _failing_job,
    "protocol_error_job": _protocol_error_job,
    "confirm_delete": _confirm_delete,
    "multi_input": _multi_input,
    "test_tool_with_task": _after_rounds,
}
NEEDS_TASKS = JOBS.keys() - {"slow_compute"}
"""Tools that a client without the extension cannot call."""


def greet(name: str) -> str:
    """Greet; never a task."""
    return f"Hello, {name}!"


async def slow_compute(seconds: float = 0, label: str = "") -> str:
    """Work for some seconds; a task for clients that know tasks."""
    await asyncio.sleep(seconds)
    return f"computed {label}"


def confirm_delete(filename: str = "") -> str:
    """Ask before the work is done."""
    raise MCPError(INTERNAL_ERROR, f"only a task can ask about {filename}")


async def test_tool_with_task(ctx: Context) -> str | InputRequiredResult:
    """Ask at once, then work as a task."""
    return InputRequiredResult(input_requests={"user_name": NAME}) if not answers(ctx) else "asked"


def only_a_task() -> str:
    """Work as a task."""
    raise MCPError(INTERNAL_ERROR, "this tool only works as a task")


class Tasks(Extension):
    """Turns calls of the tools in JOBS into tasks for clients that declare the extension."""

    identifier = IDENTIFIER

    def __init__(self):
        self._tasks = {}

    def tools(self):
        own = [ToolBinding(fn) for fn in (greet, slow_compute, confirm_delete, test_tool_with_task)]
        bare = ("failing_job", "protocol_error_job", "multi_input")
        return [*own, *(ToolBinding(only_a_task, kwargs={"name": name}) for name in bare)]

    def methods(self):
        handlers = {"tasks/get": self._get, "tasks/update": self._update, "tasks/cancel": self._cancel}
        return [MethodBinding(name, TaskParams, handler, MODERN) for name, handler in handlers.items()]

    async def intercept_tool_call(self, params, ctx, call_next):
        if params.name not in JOBS:
            return await call_next(ctx)
        if not _knows_tasks(ctx):
            if params.name in NEEDS_TASKS:
                _refuse_stranger()
            return await call_next(ctx)
        arguments = params.arguments or {}
        if params.name == "test_tool_with_task":
            given = params.input_responses or {}
            if "user_name" not in given:
                return await call_next(ctx)
            arguments = {"name": given["user_name"].content["name"]}
        task = Task(JOBS[params.name], arguments)
        self._tasks[task.id] = task
        return task.created()

    def _find(self, ctx, params):
        if not _knows_tasks(ctx):
            _refuse_stranger()
        if ctx.request.headers.get("mcp-name") != params.task_id:
            raise MCPError(HEADER_MISMATCH, "Mcp-Name is not the task of the body")
        if params.task_id not in self._tasks:
            raise MCPError(INVALID_PARAMS, "Unknown task")
        return self._tasks[params.task_id]

    async def _get(self, ctx, params):
        return self._find(ctx, params).detailed()

    async def _update(self, ctx, params):
        self._find(ctx, params).answer(params.input_responses or {})
        return {}

    async def _cancel(self, ctx, params):
        await self._find(ctx, params).cancel()
        return {}


def _knows_tasks(ctx):
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and IDENTIFIER in (capabilities.extensions or {})


def _refuse_stranger():
    needed = {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}}
    raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "this needs a client that knows tasks", needed)
