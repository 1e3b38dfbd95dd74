"""Answers with the route that FastAPI chose, and with what it makes of the request."""

from fastapi import FastAPI, Request

app = FastAPI()
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def route(path: str) -> None:
    @app.api_route(path, methods=METHODS, operation_id=path)
    async def answer(request: Request) -> dict[str, object]:
        return {
            "route": path,
            "path": request.url.path,
            "method": request.method,
            "url": str(request.url),
            "query": request.scope["query_string"].decode("latin-1"),
            "parameters": request.path_params,
        }


for path in [
    "/admin",
    "/admin/{rest:path}",
    "/public/{rest:path}",
    "/users/{name}",
    "/users/{name}/secret",
    "/closed",
    "/items/",
]:
    route(path)
