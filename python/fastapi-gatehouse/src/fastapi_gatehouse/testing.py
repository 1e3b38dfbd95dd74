"""Tests of an app that stands behind the gateway, without a gateway.

    with as_user(app, User(id="ada", email="ada@example.com", email_verified=True)):
        assert TestClient(app).get("/me").status_code == 200

The app gets the headers that the gateway would send, and reads them as it always does: dependencies, ``request.user``,
mounted apps and WebSockets all meet the user. Nothing in the app has to be overridden.
"""

import asyncio
import json
import re
import threading
from collections.abc import Generator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import date, datetime, timezone
from typing import Any, Protocol, cast
from urllib.parse import quote

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from fastapi_gatehouse import identity
from fastapi_gatehouse.identity import User

# What the gateway leaves as it is: `!` to `~` without `%`. Letters, digits and `_.-~` are left alone by `quote` anyway.
_AS_IT_IS = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_OURS = ("x-user-", "x-session-", "x-gatehouse-")


def headers_for(user: User[Any] | None, *, token: str | None = None) -> dict[str, str]:
    """The headers that the gateway sends for this user, for a client of one's own; none of a user for None.

    ``token`` is what the gateway sends where it has ``UPSTREAM_TOKEN``.
    """
    sent: dict[str, str | None] = {"X-Gatehouse-Token": token}
    if user is not None:
        began = user.session_created_at
        sent |= {
            "X-User-Id": user.id,
            "X-User-Email": user.email,
            "X-User-Email-Verified": "true" if user.email_verified else "false",
            "X-User-Name": user.name,
            "X-User-Role": ",".join(user.roles) or None,
            "X-Session-Id": user.session_id,
            "X-Session-Created-At": None if began is None else _iso(began),
            "X-User-Impersonated-By": user.impersonated_by,
        }
        sent |= {} if user.extra is None else _extra_headers(user.extra)
    return {
        name: value if name == "X-Gatehouse-Token" else quote(value, safe=_AS_IT_IS)
        for name, value in sent.items()
        if value is not None
    }


def _extra_headers(extra: BaseModel) -> dict[str, str | None]:
    return {
        f"X-User-{name.replace('_', '-').title()}": _text(getattr(extra, name)) for name in type(extra).model_fields
    }


def _text(value: object) -> str | None:
    """A value as the gateway writes it: texts as they are, dates in UTC, everything else as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, separators=(",", ":"), default=str)


def _iso(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone is none: datetime.now(timezone.utc)")
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class _SignedIn:
    """One `as_user` that has not ended. `outer` is the one that it was begun within."""

    def __init__(self, app: Starlette, user: User[Any] | None, outer: "_SignedIn | None") -> None:
        self.app = app
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers_for(user).items()]
        self.outer = outer
        self.lasts = True

    def around(self, app: Starlette) -> "_SignedIn | None":
        """The innermost one of this app that has not ended: this one, or one that it was begun within."""
        found: _SignedIn | None = self
        while found is not None and not (found.lasts and found.app is app):
            found = found.outer
        return found


# Of the task or thread that asks. What tasks and threads do at the same time as somebody else does not meet here.
_own: ContextVar[_SignedIn | None] = ContextVar("fastapi_gatehouse_signed_in", default=None)
_lock = threading.Lock()


class _Front:
    """Stands in front of an app's middleware while a test has somebody signed in there, and writes their headers."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self.behind: ASGIApp | None = app.middleware_stack
        self.lasting = 0
        # For whoever has none of their own: a server in a thread, an async test whose fixtures are not async.
        self.shared: list[_SignedIn] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.behind is None:
            self.behind = self.app.build_middleware_stack()
        if scope["type"] in ("http", "websocket"):
            signed_in = self._signed_in()
            if signed_in is not None:
                scope = _with_headers(scope, signed_in.headers)
        await self.behind(scope, receive, send)

    def _signed_in(self) -> _SignedIn | None:
        own = _own.get()
        found = None if own is None else own.around(self.app)
        if found is not None:
            return found
        with _lock:
            shared = list(self.shared)
        if not shared:
            return None
        innermost = shared[-1]
        within: set[_SignedIn] = set()
        outer: _SignedIn | None = innermost
        while outer is not None:
            within.add(outer)
            outer = outer.outer
        if not within.issuperset(shared):
            raise RuntimeError("as_user: two threads have different users signed in, and this request is of neither")
        return innermost


def _with_headers(scope: MutableMapping[str, Any], headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """A copy of the scope in which only these say who is asking, as behind the gateway."""
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if not re.sub("[^a-z0-9]", "-", name.decode("latin-1").lower()).startswith(_OURS)
    ]
    return {**scope, "headers": [*headers, *kept]}


@contextmanager
def as_user(
    app: Starlette, user: User[Any] | None, *, everywhere: bool | None = None
) -> Generator[User[Any] | None, None, None]:
    """Signs a user in to a FastAPI or Starlette app until the block ends, for every client of it; None is a stranger.

    For tests alone: it refuses to work in a process that has ``UPSTREAM_TOKEN``, since a gateway stands before such a
    one. Blocks may be nested, also for an app that is mounted in another: the innermost counts. What is begun in a
    running event loop is for its task and those that it starts; what is begun elsewhere is for other threads as well,
    unless they have users of their own. ``everywhere`` says it in so many words.
    """
    if identity.UPSTREAM_TOKEN is not None:
        raise RuntimeError("as_user is for tests, and this process has UPSTREAM_TOKEN: unset it, or use headers_for")
    if not isinstance(cast("object", app), Starlette):
        raise TypeError("as_user takes the FastAPI or Starlette app, without what is wrapped around it")
    outer = _own.get()
    signed_in = _SignedIn(app, user, outer)
    is_shared = not _in_event_loop() if everywhere is None else everywhere
    with _lock:
        front = app.middleware_stack
        if not isinstance(front, _Front):
            front = _Front(app)
            app.middleware_stack = front
        front.lasting += 1
        if is_shared:
            front.shared.append(signed_in)
    _own.set(signed_in)
    try:
        yield user
    finally:
        signed_in.lasts = False
        if _own.get() is signed_in:
            _own.set(outer)
        with _lock:
            front.lasting -= 1
            if is_shared:
                front.shared.remove(signed_in)
            if front.lasting == 0 and app.middleware_stack is front:
                app.middleware_stack = front.behind


class AsUser(Protocol):
    """The fixture ``as_user``: signs a user in until the test ends, or the ``with`` block that it begins.

    Without a user it is that of the fixture ``gatehouse_user``; None is a stranger.
    """

    def __call__(self, app: Starlette, user: User[Any] | None = ...) -> AbstractContextManager[object]: ...


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
