"""Keeps every request as uvicorn handed it over, and answers in every way that a FastAPI app can.

`GET /__witness`, reached directly and never through the gateway, gives what was seen and forgets it.
"""

import os
import re

from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

KEY = os.environ["CONTROL_KEY"].encode()
CANARY = os.environ.get("CANARY", "")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

api = FastAPI()


@api.api_route("/{kind}/ok", methods=METHODS)
async def ok(kind: str, request: Request):
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    marks = re.findall(r"\A(?:user|probe)=(\w+)\Z", request.url.query)
    return PlainTextResponse(f"{kind} {size} {CANARY if kind == 'session' else ''} {''.join(marks)}")


@api.api_route("/{kind}/error/{status}", methods=METHODS)
async def error(kind: str, status: int):
    # Of other numbers uvicorn makes no answer, and breaks the connection off.
    raise HTTPException(status if 400 <= status <= 599 else 400, detail=kind)


@api.api_route("/{kind}/redirect", methods=METHODS)
async def redirect(kind: str):
    return RedirectResponse(f"/{kind}/ok")


@api.api_route("/{kind}/slash/", methods=METHODS)
async def slash(kind: str):
    return PlainTextResponse(kind)


@api.websocket("/{kind}/ws")
async def accept(websocket: WebSocket, kind: str):
    await websocket.accept()
    await websocket.send_text(f"{kind} {CANARY if kind == 'session' else ''}")
    await websocket.close()


@api.websocket("/{kind}/ws-refused")
async def refuse(websocket: WebSocket, kind: str):
    await websocket.close()


seen = []


async def app(scope, receive, send):
    global seen
    if scope["type"] == "http" and scope["path"] == "/__witness" and (b"x-control-key", KEY) in scope["headers"]:
        kept, seen = seen, []
        await JSONResponse(kept)(scope, receive, send)
        return
    if scope["type"] in ("http", "websocket"):
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        target = scope["raw_path"] + b"?" + scope["query_string"]
        seen.append({"type": scope["type"], "target": target.decode("latin-1"), "headers": headers})
    await api(scope, receive, send)
