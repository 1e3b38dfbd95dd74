from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastapi_gatehouse import GatehouseBackend
from fastapi_gatehouse.testing import as_user, headers_for
from tests.conftest import ADA, EVE, detail_of


async def who(request: Request) -> JSONResponse:
    user = request.user
    return JSONResponse([user.is_authenticated, user.display_name, user.is_authenticated and user.identity])


@requires("authenticated", status_code=401)
async def members(request: Request) -> JSONResponse:
    return JSONResponse(sorted(request.auth.scopes))


@requires(["role:admin", "verified"])
def admins(request: Request) -> JSONResponse:
    return JSONResponse(request.user.id)


@requires("authenticated")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.user.id)
    await websocket.close()


routes = [
    Route("/who", who),
    Route("/members", members),
    Route("/admins", admins),
    Route("/health", who),
    WebSocketRoute("/ws", socket),
]
app = Starlette(
    routes=[*routes, Mount("/below", app=Starlette(routes=routes))],
    middleware=[
        Middleware(
            AuthenticationMiddleware,
            backend=GatehouseBackend(open_paths=["/health"]),
            on_error=GatehouseBackend.on_error,
        )
    ],
)
client: Any = TestClient(app)
ada = headers_for(ADA)


@pytest.mark.parametrize("at", ["", "/below"])
def test_the_user_is_that_of_the_request_in_mounted_apps_too(at: str) -> None:
    assert client.get(f"{at}/who", headers=ada).json() == [True, "ada@example.com", "ada"]
    assert client.get(f"{at}/who", headers=headers_for(ADA.replace(name="Ada"))).json() == [True, "Ada", "ada"]
    assert client.get(f"{at}/who").json() == [False, "", False]
    assert client.get(f"{at}/who", headers=dict.fromkeys(ada, "")).json() == [False, "", False]


@pytest.mark.parametrize("at", ["", "/below"])
def test_requires_knows_roles_and_verification(at: str) -> None:
    assert client.get(f"{at}/members").status_code == 401
    admin = headers_for(ADA.replace(roles=("admin", "verified")))
    assert client.get(f"{at}/members", headers=admin).json() == [
        "authenticated",
        "role:admin",
        "role:verified",
        "verified",
    ]
    assert client.get(f"{at}/admins", headers=admin).json() == "ada"
    assert client.get(f"{at}/admins", headers=ada).status_code == 403
    unverified = headers_for(EVE.replace(roles=("admin", "verified", "authenticated")))
    assert client.get(f"{at}/admins", headers=unverified).status_code == 403


@pytest.mark.parametrize("at", ["", "/below"])
def test_websockets(at: str) -> None:
    with client.websocket_connect(f"{at}/ws", headers=ada) as websocket:
        assert websocket.receive_text() == "ada"
    for headers in ({}, {**ada, "X-User-Email": ""}):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"{at}/ws", headers=headers):
            pass
    with as_user(app, EVE), client.websocket_connect(f"{at}/ws") as websocket:
        assert websocket.receive_text() == "eve"


def test_what_the_gateway_would_not_send_is_refused_on_every_path() -> None:
    for path in ("/who", "/below/who", "/members", "/nowhere"):
        answer = client.get(path, headers={**ada, "X-User-Email": ""})
        assert answer.status_code == 401, path
        assert "did not come through the gateway" in detail_of(answer)


def test_with_a_shared_token_nobody_is_known_without_it(gateway_token: str) -> None:
    assert client.get("/who", headers=headers_for(ADA, token=gateway_token)).json()[2] == "ada"
    assert client.get("/who", headers=headers_for(None, token=gateway_token)).json()[0] is False
    for headers in (ada, {}):
        assert client.get("/who", headers=headers).status_code == 401
        assert client.get("/below/health", headers=headers).status_code == 401
        assert client.get("/health", headers=headers).json() == [False, "", False], "nobody is known there"


def test_a_text_is_no_list_of_paths() -> None:
    with pytest.raises(TypeError):
        GatehouseBackend(open_paths="/health")
