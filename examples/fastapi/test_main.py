"""How to test an app that stands behind the gateway: no gateway, no database and no session is needed.

    pip install -r requirements-test.txt
    pytest
"""

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from identity import User, optional_user
from main import app

ADA = User(id="ada", email="ada@example.com", email_verified=True)
EVE = User(id="eve", email="eve@example.com", email_verified=False)


@pytest.fixture
def signed_in_as() -> Iterator[Callable[[User | None], TestClient]]:
    """Makes a client of this user, or of a stranger: every other dependency asks optional_user."""

    def client_of(user: User | None) -> TestClient:
        app.dependency_overrides[optional_user] = lambda: user
        return TestClient(app)

    yield client_of
    app.dependency_overrides.clear()


def test_a_user_is_told_apart(signed_in_as) -> None:
    assert signed_in_as(ADA).get("/me").json() == {"id": "ada", "email": "ada@example.com", "email_verified": True}
    assert signed_in_as(EVE).get("/me").json()["id"] == "eve"


def test_strangers_and_the_unverified(signed_in_as) -> None:
    assert signed_in_as(None).get("/me").status_code == 401
    assert signed_in_as(None).get("/feed").json() == {"message": "Hello, stranger."}
    assert signed_in_as(EVE).get("/verified-only").status_code == 403


def test_a_websocket_needs_a_user_too(signed_in_as) -> None:
    with signed_in_as(ADA).websocket_connect("/chat"):
        pass
    with pytest.raises(WebSocketDisconnect), signed_in_as(None).websocket_connect("/chat"):
        pass


def test_what_the_gateway_sends_is_read() -> None:
    """Nothing is overridden here: these are the headers as the gateway writes them."""
    sent = {"X-User-Id": "ada", "X-User-Email": "ad%C3%A4@example.com", "X-User-Email-Verified": "false"}
    assert TestClient(app).get("/me", headers=sent).json()["email"] == "adä@example.com"
    assert TestClient(app).get("/me").status_code == 401
