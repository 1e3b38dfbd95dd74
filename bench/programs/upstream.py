"""The tiny upstream as a FastAPI application."""

from fastapi import FastAPI, Response

app = FastAPI(openapi_url=None)
ANSWER = b'{"message":"hello from behind the proxy","items":[1,2,3]}'.ljust(63)


@app.get("/{path:path}")
async def hello(path: str) -> Response:
    return Response(ANSWER, media_type="application/json")
