"""How to test an app that stands behind the gateway: no gateway, no database and no session is needed.

    pip install -r requirements-test.txt ../../python/fastapi-gatehouse
    pytest

``as_user`` is a fixture that fastapi-gatehouse brings. It signs a user in until the test ends.
"""

import httpx2
import pytest
from fastapi.testclient import TestClient
from fastapi_gatehouse import User
from fastapi_gatehouse.testing import AsUser, headers_for
from starlette.websockets import WebSocketDisconnect

from main import app

ADA = User(id="ada", email="ada@example.com", email_verified=True)
EVE = User(id="eve", email="eve@example.com", email_verified=False)
client = TestClient(app)


def test_a_user_is_told_apart(as_user: AsUser) -> None:
    as_user(app, ADA)
    assert client.get("/me").json() == {"id": "ada", "email": "ada@example.com", "email_verified": True}
    with as_user(app, EVE):
        assert client.get("/me").json()["id"] == "eve"
    assert client.get("/me").json()["id"] == "ada"


def test_strangers_and_the_unverified(as_user: AsUser) -> None:
    assert client.get("/me").status_code == 401
    assert client.get("/feed").json() == {"message": "Hello, stranger."}
    as_user(app, EVE)
    assert client.get("/feed").json() == {"message": "Hello, eve@example.com."}
    assert client.get("/verified-only").status_code == 403


def test_a_websocket_needs_a_user_too(as_user: AsUser) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/chat"):
        pass
    as_user(app, ADA)
    with client.websocket_connect("/chat") as chat:
        assert chat.receive_text() == "Welcome, ada@example.com."


@pytest.mark.anyio
async def test_a_test_may_be_async(as_user: AsUser) -> None:
    as_user(app, ADA)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as asking:
        assert (await asking.get("/me")).json()["id"] == "ada"


def test_what_the_gateway_sends_is_read() -> None:
    """Nobody is signed in here: these are the headers as the gateway writes them."""
    sent = headers_for(User(id="ada", email="adä@example.com", email_verified=False))
    assert sent == {"X-User-Id": "ada", "X-User-Email": "ad%C3%A4@example.com", "X-User-Email-Verified": "false"}
    assert client.get("/me", headers=sent).json()["email"] == "adä@example.com"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
