"""Says which rule a request was routed to, by FastAPI's own router.

`POST /__rules`, reached directly and never through the gateway, replaces the rules. Each becomes FastAPI routes, the most
specific first, as an author would order them by hand; Starlette's matching and nothing else decides.
"""

import json
import os
from hashlib import sha256

from fastapi import FastAPI, Request, Response, WebSocket

KEY = os.environ["CONTROL_KEY"].encode()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
LITERAL, PARAMETER, REST = 0, 1, 2


def facts(rule, scope):
    user = dict(scope["headers"]).get(b"x-user-id", b"")
    target = scope["raw_path"] + b"?" + scope["query_string"]
    return {
        "X-Routed": str(rule),
        "X-Path": sha256(scope["path"].encode("utf-8", "surrogatepass")).hexdigest(),
        "X-Target": sha256(target).hexdigest(),
        "X-User": user.decode("latin-1"),
        "X-Own": str(any(scope["path"] == own or scope["path"].startswith(f"{own}/") for own in ("/auth", "/api/auth"))),
    }


def add(app, rule, template, methods):
    async def answer(request: Request):
        return Response(headers=facts(rule, request.scope))

    async def accept(websocket: WebSocket):
        headers = [(name.encode(), value.encode()) for name, value in facts(rule, websocket.scope).items()]
        await websocket.accept(headers=headers)
        await websocket.close()

    app.add_api_route(template, answer, methods=methods)
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


async def app(scope, receive, send):
    global current
    if scope["type"] == "http" and scope["path"] == "/__rules" and (b"x-control-key", KEY) in scope["headers"]:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        current = table(json.loads(body))
        await Response(status_code=204)(scope, receive, send)
    else:
        await current(scope, receive, send)
