"""Says which rule a request was routed to, by FastAPI's own router, and what else a header could have moved.

`POST /__rules`, reached directly and never through the gateway, replaces the rules. Each becomes FastAPI routes, the most
specific first, as an author would order them by hand; Starlette's matching and nothing else decides.
"""

import json
import os
from hashlib import sha256
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response, WebSocket
from starlette.routing import Match

KEY = os.environ["CONTROL_KEY"].encode()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
LITERAL, PARAMETER, REST = 0, 1, 2


def facts(rule, path, target, user, seen):
    """`seen`: method, scheme, host, mount point, client and the like, as the app reads them."""
    return {
        "X-Routed": str(rule),
        "X-Path": sha256(path.encode("utf-8", "surrogatepass")).hexdigest(),
        "X-Target": sha256(target).hexdigest(),
        "X-User": user,
        "X-Within": within(target, seen[0] or "GET"),
        "X-Own": str(any(path == own or path.startswith(f"{own}/") for own in ("/auth", "/api/auth"))),
        "X-Seen": sha256(repr(seen).encode()).hexdigest(),
    }


def within(target, method):
    """The rule for a path in which an encoded slash is a part of its segment; empty for a path without one."""
    path = target.decode("latin-1").split("?")[0]
    if "%2f" not in path.lower():
        return ""
    return str(rule_of(unquote(path.replace("%2F", "%00").replace("%2f", "%00")), method))


def facts_of(rule, connection):
    scope = connection.scope
    user = connection.headers.get("x-user-id", "")
    target = scope["raw_path"] + b"?" + scope["query_string"]
    url = connection.base_url
    # The gateway's X-Forwarded-Proto makes a socket's scheme that of the page, which means the same.
    scheme = {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)
    seen = (scope.get("method"), scheme, url.netloc, url.path, scope["client"] and scope["client"][0])
    return facts(rule, scope["path"], target, user, seen)


def rule_of(path, method):
    """The rule that Starlette finds for the path that another framework would route; None for a method that no route takes."""
    scope = {"type": "http", "path": path, "root_path": "", "method": method, "headers": []}
    return next((int(route.name) for route in current.routes if route.matches(scope)[0] is Match.FULL), None)


def add(app, rule, template, methods):
    async def answer(request: Request):
        return Response(headers=facts_of(rule, request))

    async def accept(websocket: WebSocket):
        # Not all servers send headers with a 101.
        await websocket.accept()
        await websocket.send_text("".join(f"{name}: {value}\r\n" for name, value in facts_of(rule, websocket).items()))
        await websocket.close()

    app.add_api_route(template, answer, methods=methods, name=str(rule))
    if "GET" in methods:
        app.add_api_websocket_route(template, accept)


def method_groups(rule):
    """Methods by how precisely the rule names them: by name, by implication, not at all."""
    named = rule.get("methods")
    if named is None:
        return [(0, METHODS)]
    implied = [(1, ["HEAD"])] if "GET" in named and "HEAD" not in named else []
    return [(2, named), *implied]


def shapes(path):
    """Kinds of segments, Starlette's template, and whether the path is covered exactly or along with a `/*`."""
    if path == "/":
        return [((LITERAL,), "/", True)]
    wild = path.endswith("/*")
    segments = [segment for segment in (path[1:-2] if wild else path[1:]).split("/") if segment]
    kinds = tuple(PARAMETER if segment.startswith(":") else LITERAL for segment in segments)
    template = "".join(
        "/{p%d}" % index if segment.startswith(":") else "/" + segment for index, segment in enumerate(segments)
    )
    if wild:
        return [(kinds or (LITERAL,), template or "/", False), ((*kinds, REST), template + "/{rest:path}", True)]
    return [(kinds, template, True), ((*kinds, LITERAL), template + "/", True)]


def table(rules):
    entries = []
    for index, rule in enumerate(rules):
        for kinds, template, exact in shapes(rule["path"]):
            for rank, methods in method_groups(rule):
                entries.append((kinds, -(4 if exact else 0) - rank, index, template, methods))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for _kinds, _rank, index, template, methods in sorted(entries):
        add(app, index, template, methods)
    add(app, -1, "/{rest:path}", METHODS)
    return app


current = table([])


def replace_rules(body):
    global current
    current = table(json.loads(body))


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/__rules" and (b"x-control-key", KEY) in scope["headers"]:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        replace_rules(body)
        await Response(status_code=204)(scope, receive, send)
    else:
        await current(scope, receive, send)
