"""An app worth standing behind a gateway: one route of each kind.

Which of these are public, optional, private or denied is not said here but in the
gateway's policy file, gatehouse.config.ts. A route that the policy does not name needs a session.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from html import escape
from pathlib import Path

from fastapi import APIRouter, FastAPI, Query, Request, Response, UploadFile, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from fastapi_gatehouse import CurrentUser, OptionalUser, ThroughGateway, VerifiedUser

app = FastAPI(title="Behind Gatehouse")
# With UPSTREAM_TOKEN set, everything on this router refuses requests that went around the gateway.
routes = APIRouter(dependencies=[ThroughGateway])
CHUNK = 64 * 1024


# Public


@app.get("/health")
def health() -> dict[str, str]:
    """Outside the router: a container's health check does not come through the gateway."""
    return {"status": "ok"}


@routes.get("/hello")
def hello() -> dict[str, str]:
    return {"message": "Hello, whoever you are."}


@routes.get("/public/headers")
@routes.get("/headers")
def received_headers(request: Request) -> dict[str, str]:
    """What arrived here; a header that arrived twice is joined by a comma."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        # The caller may see everything but the secret that this app shares with the gateway.
        shown = "(hidden)" if name == "x-gatehouse-token" else value
        headers[name] = f"{headers[name]}, {shown}" if name in headers else shown
    return headers


@routes.websocket("/public/echo")
async def echo(websocket: WebSocket) -> None:
    offered = websocket.scope["subprotocols"]
    await websocket.accept(subprotocol="echo.v1" if "echo.v1" in offered else None)
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("bytes") is not None:
            await websocket.send_bytes(message["bytes"])
        else:
            await websocket.send_text(message["text"])


# Optional: for everyone, better with a name

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Behind Gatehouse</title>
<link rel="icon" href="data:,">
<style>body {{ font: 1.125rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1rem }}</style>
<h1>Hello, {who}</h1>
<p>{links}</p>
</html>
"""
FOR_STRANGERS = {"/auth/sign-in?next=/": "Sign in", "/me": "A page for members", "/docs": "What this app answers"}
FOR_MEMBERS = {
    "/me": "Who this app takes you for",
    "/docs": "What it answers",
    "/auth/account": "Your account",
    "/auth/sign-out?next=/": "Sign out",
}


@routes.get("/", response_class=HTMLResponse)
def home(user: OptionalUser) -> str:
    links = (FOR_MEMBERS if user else FOR_STRANGERS).items()
    return PAGE.format(
        # What people type is text, not markup.
        who=escape(user.email) if user else "stranger",
        links=" · ".join(f'<a href="{address}">{label}</a>' for address, label in links),
    )


@routes.get("/feed")
def feed(user: OptionalUser) -> dict[str, str]:
    return {"message": f"Hello, {user.email if user else 'stranger'}."}


@routes.get("/feed/{item}")
def feed_item(item: str, user: OptionalUser) -> dict[str, str]:
    return {"item": item, "for": user.email if user else "stranger"}


# Private


@routes.get("/me")
def me(user: CurrentUser) -> dict[str, str | bool]:
    return {"id": user.id, "email": user.email, "email_verified": user.email_verified}


@routes.get("/verified-only")
def verified_only(user: VerifiedUser) -> dict[str, str]:
    return {"message": f"{user.verified_email} is yours indeed."}


@routes.get("/admin/stats")
def admin_stats(_: CurrentUser) -> dict[str, int]:
    return {"chatting": len(room)}


@routes.get("/items/")
def items(_: CurrentUser) -> list[str]:
    """FastAPI redirects /items here, to the public origin if it believes the gateway's X-Forwarded-* headers."""
    return ["lantern", "key", "bell"]


@routes.get("/events", response_class=EventSourceResponse)
async def events(
    user: CurrentUser,
    n: int | None = Query(None, ge=0, description="stop after so many; without it, never"),
    every: float = Query(1.0, ge=0.01, description="seconds between two"),
) -> AsyncIterable[ServerSentEvent]:
    tick = 0
    while n is None or tick < n:
        tick += 1
        yield ServerSentEvent(event="tick", id=str(tick), data={"tick": tick, "for": user.email})
        if tick != n:
            await asyncio.sleep(every)


@routes.post("/upload")
async def upload(_: CurrentUser, file: UploadFile) -> dict[str, str | int | None]:
    digest, size = hashlib.sha256(), 0
    while chunk := await file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return {"filename": file.filename, "size": size, "sha256": digest.hexdigest()}


@routes.post("/echo-body")
async def echo_body(_: CurrentUser, request: Request) -> dict[str, str | int | None]:
    """Any body of any type: what arrived, byte for byte."""
    digest, size = hashlib.sha256(), 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest(), "content_type": request.headers.get("content-type")}


# One decorator a method: of several in one, FastAPI names the operation after whichever its set yields first.
@routes.get("/download")
@routes.head("/download")
def download(request: Request, _: CurrentUser, size: int = Query(1024, alias="bytes", ge=0, le=1 << 32)) -> Response:
    """So many bytes, 0 to 255 over and over, sent as they are made."""
    block = bytes(range(256)) * (CHUNK // 256)

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, size, CHUNK):
            yield block[: min(CHUNK, size - start)]

    headers = {"Content-Length": str(size), "Content-Disposition": 'attachment; filename="bytes.bin"'}
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/octet-stream")
    return StreamingResponse(body(), headers=headers, media_type="application/octet-stream")


@routes.get("/download/readme")
@routes.head("/download/readme")
def download_readme(_: CurrentUser) -> FileResponse:
    """A file: answers range requests and revalidation."""
    return FileResponse(Path(__file__).with_name("README.md"), media_type="text/markdown")


room: dict[WebSocket, str] = {}


async def tell_everyone(line: str) -> None:
    await asyncio.gather(*(member.send_text(line) for member in list(room)), return_exceptions=True)


@routes.websocket("/chat")
async def chat(websocket: WebSocket, user: CurrentUser) -> None:
    await websocket.accept()
    room[websocket] = user.email
    try:
        await tell_everyone(f"Welcome, {user.email}.")
        while True:
            await tell_everyone(f"{user.email}: {await websocket.receive_text()}")
    except WebSocketDisconnect:
        pass
    finally:
        del room[websocket]
        await tell_everyone(f"{user.email} left.")


# Denied: the gateway answers 404 for these, whoever asks. They are for callers inside the network.


@routes.get("/internal/{anything:path}")
def internal(anything: str) -> dict[str, str]:
    return {"internal": anything}


app.include_router(routes)
