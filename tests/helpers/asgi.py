"""An ASGI application without a socket: requests go in, answers come out."""

import asyncio
import json

from l2h.serving.http import protocol


class Answer:
    """Status, headers and body of an answer; status None where there was none."""

    def __init__(self, messages):
        self.status = messages[0]["status"] if messages else None
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]} if messages else {}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])

    @property
    def error(self):
        return json.loads(self.body)["error"]


async def exchange(app, *, method="POST", path=protocol.INFER_PATH, headers=(), parts=(b"",), ending="complete"):
    """Send one request in parts; then its sender waits for ever ("silence") or leaves ("disconnect")."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(_bytes(name).lower(), _bytes(value)) for name, value in pairs],
    }
    left, messages = list(parts), []

    async def receive():
        if left:
            part = left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(left) or ending != "complete"}
        if ending == "silence":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message):
        messages.append(message)

    await app(scope, receive, send)
    answer = Answer(messages)
    answer.unread = len(left)
    return answer


def answers(app, *requests, settings=None, at_once=1):
    """The answers to requests, one after the other or so many at once, while the application's lifespan lasts.

    Settings given here hold from the end of the check at the start, which narrow ones may not pass.
    """

    async def all_of_them():
        async with app.router.lifespan_context(app):
            app.state.service.settings = settings or app.state.service.settings
            got = []
            for first in range(0, len(requests), at_once):
                some = requests[first : first + at_once]
                got += await asyncio.gather(*(exchange(app, **request) for request in some))
            return got

    return asyncio.run(all_of_them())


def _bytes(value):
    return value if isinstance(value, bytes) else value.encode()
