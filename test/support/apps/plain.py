"""A FastAPI app with one route for each thing that a proxy could get wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request, Response, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
app = FastAPI()


@app.api_route("/public/mirror", methods=METHODS, operation_id="mirror")
async def mirror(request: Request) -> Response:
    """The body as it came, under the type that it came with."""
    headers = {
        "x-method": request.method,
        "x-target": (request.scope["raw_path"] + b"?" + request.scope["query_string"]).decode("latin-1"),
        "x-length": request.headers.get("content-length", "none"),
        "x-encoding": request.headers.get("content-encoding", "none"),
    }
    return Response(await request.body(), headers=headers, media_type=request.headers.get("content-type"))


@app.post("/public/json")
async def json_body(request: Request) -> JSONResponse:
    return JSONResponse(await request.json())


@app.post("/public/form")
async def form(request: Request) -> JSONResponse:
    read = await request.form()
    return JSONResponse([[key, value if isinstance(value, str) else value.filename] for key, value in read.multi_items()])


@app.post("/public/files")
async def files(file: list[UploadFile]) -> list[tuple[str | None, str | None, int]]:
    return [(each.filename, each.content_type, len(await each.read())) for each in file]


@app.get("/public/cookies")
def cookies(request: Request) -> Response:
    response = JSONResponse(request.cookies)
    response.set_cookie("a", "1", httponly=True, samesite="strict")
    response.set_cookie("b", "two words, and more", path="/x")
    response.set_cookie("a", "1", max_age=5)
    # As `delete_cookie` does, which names the moment at which it was called.
    response.set_cookie("c", "", max_age=0, expires="Thu, 01 Jan 1970 00:00:00 GMT")
    return response


@app.api_route("/public/none", methods=["GET", "DELETE"], operation_id="none")
def none() -> Response:
    return Response(status_code=204)


@app.get("/public/status/{code}")
def status(code: int) -> Response:
    return PlainTextResponse(f"status {code}", code)


@app.get("/public/redirect")
def redirect(request: Request) -> RedirectResponse:
    return RedirectResponse(request.url_for("none"))


@app.get("/public/slash/")
def slash() -> str:
    return "behind a slash"


@app.get("/public/chunks")
def chunks() -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        for part in (b"one", b"", b"two" * 40_000, b"\xff\x00"):
            yield part
            await asyncio.sleep(0)

    return StreamingResponse(body(), media_type="text/plain; charset=latin-1")


@app.get("/public/odd-headers")
def odd_headers() -> Response:
    response = Response(b"caf\xe9", media_type="text/plain; charset=iso-8859-1")
    response.raw_headers += [(b"X-Twice", b"1"), (b"x-twice", b"2"), (b"x-latin", b"caf\xe9"), (b"x-empty", b"")]
    return response


@app.get("/me")
def me(request: Request) -> JSONResponse:
    return JSONResponse({name: request.headers.get(name) for name in ("x-user-id", "x-user-email", "x-user-email-verified")})


app.mount("/public/static", StaticFiles(directory=Path(__file__).parent))

zipped = FastAPI()
zipped.add_middleware(GZipMiddleware, minimum_size=10)


@zipped.get("/text")
def text() -> PlainTextResponse:
    return PlainTextResponse("text " * 10_000)


app.mount("/public/zipped", zipped)

shared = FastAPI()
shared.add_middleware(
    CORSMiddleware,
    allow_origins=["https://partner.example"],
    allow_origin_regex=r"http://localhost:\d+",
    allow_credentials=True,
    allow_methods=["GET"],
    expose_headers=["x-theirs"],
)


@shared.get("/text")
def shared_text() -> PlainTextResponse:
    return PlainTextResponse("shared")


app.mount("/public/shared", shared)
