import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel, Json
from starlette.types import Receive, Scope, Send

from fastapi_gatehouse import OptionalUser, User
from fastapi_gatehouse.testing import AsUser, as_user, headers_for
from tests.conftest import ADA, EVE

httpx: Any = import_module("httpx2" if find_spec("httpx2") else "httpx")


def make_app() -> FastAPI:
    app = FastAPI()

    @app.get("/who")
    async def who(user: OptionalUser) -> str:
        return user.id if user else "stranger"

    @app.websocket("/ws")
    async def socket(websocket: WebSocket, user: OptionalUser) -> None:
        await websocket.accept()
        await websocket.send_text(user.id if user else "stranger")
        await websocket.close()

    return app


def who(app: Any, path: str = "/who", headers: dict[str, str] | None = None) -> Any:
    return TestClient(app).get(path, headers=headers).json()


async def async_who(app: Any) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return (await client.get("/who")).json()


def test_a_user_is_signed_in_until_the_block_ends() -> None:
    app = make_app()
    assert who(app) == "stranger"
    before = app.middleware_stack
    with as_user(app, ADA) as user:
        assert user is ADA
        assert who(app) == "ada"
    assert who(app) == "stranger"
    assert app.middleware_stack is before


def test_it_ends_when_the_block_fails() -> None:
    app = make_app()
    with pytest.raises(KeyError), as_user(app, ADA):
        raise KeyError
    assert who(app) == "stranger"
    assert app.middleware_stack is not None


def test_an_app_that_was_never_asked_is_as_it_was() -> None:
    app = make_app()
    with as_user(app, ADA):
        pass
    assert app.middleware_stack is None
    app.add_middleware(Rude)
    assert who(app) == "stranger"


class Rude:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def test_blocks_may_be_nested_and_none_is_a_stranger() -> None:
    app = make_app()
    with as_user(app, ADA):
        with as_user(app, EVE):
            assert who(app) == "eve"
            with as_user(app, None):
                assert who(app) == "stranger"
            assert who(app) == "eve"
        assert who(app) == "ada"


def test_what_a_client_sends_is_replaced_as_by_the_gateway() -> None:
    app = make_app()
    for user, name in ((ADA, "ada"), (None, "stranger")):
        with as_user(app, user):
            assert who(app, headers={**headers_for(EVE), "x_user_id": "root", "X.Session.Id": "1"}) == name


def test_clients_that_were_made_before_or_that_keep_a_portal_open() -> None:
    app = make_app()
    client = TestClient(app)
    with as_user(app, ADA):
        assert client.get("/who").json() == "ada"
    with client:
        with as_user(app, EVE):
            assert client.get("/who").json() == "eve"
        assert client.get("/who").json() == "stranger"


def test_websockets() -> None:
    app = make_app()
    client: Any = TestClient(app)
    with as_user(app, ADA), client.websocket_connect("/ws") as websocket:
        assert websocket.receive_text() == "ada"
    with client.websocket_connect("/ws") as websocket:
        assert websocket.receive_text() == "stranger"


def test_apps_that_are_mounted() -> None:
    app, below = make_app(), make_app()
    app.mount("/below", below)
    with as_user(app, ADA):
        assert who(app, "/below/who") == "ada"
        with as_user(below, EVE):
            assert who(app, "/below/who") == "eve"
            assert who(app) == "ada"
            assert who(below) == "eve"
        assert who(app, "/below/who") == "ada"
        assert who(below) == "stranger"
    with as_user(below, EVE):
        assert who(app) == "stranger"
        assert who(app, "/below/who") == "eve"


@pytest.mark.anyio
async def test_tasks_at_the_same_time_do_not_meet() -> None:
    app = make_app()
    both = asyncio.Event()

    async def one(user: User) -> str:
        with as_user(app, user):
            both.set()
            names = [await async_who(app) for _ in range(5)]
            names += await asyncio.gather(async_who(app), async_who(app))
        assert await async_who(app) == "stranger"
        (name,) = set(names)
        return str(name)

    async def stranger() -> str:
        await both.wait()
        return str(await async_who(app))

    names = await asyncio.gather(one(ADA), one(EVE), stranger())
    assert list(names) == ["ada", "eve", "stranger"]
    assert await async_who(app) == "stranger"


def test_threads_at_the_same_time_do_not_meet_and_who_is_of_neither_is_told_so() -> None:
    app = make_app()
    together = threading.Barrier(2)

    def one(user: User) -> str:
        with as_user(app, user):
            together.wait(10)
            name = who(app)
            together.wait(10)
            if user is ADA:
                with ThreadPoolExecutor() as another, pytest.raises(RuntimeError, match="of neither"):
                    another.submit(who, app).result()
            together.wait(10)
        return str(name)

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(one, [ADA, EVE])) == ["ada", "eve"]
    assert who(app) == "stranger"


def test_a_server_in_another_thread_meets_the_user_of_the_test() -> None:
    app = make_app()
    with as_user(app, ADA), ThreadPoolExecutor() as pool:
        assert pool.submit(who, app).result() == "ada"
        with as_user(app, EVE):
            assert pool.submit(who, app).result() == "eve"
        assert pool.submit(who, app).result() == "ada"


def test_it_is_for_tests_alone(gateway_token: str) -> None:
    app = make_app()
    with pytest.raises(RuntimeError, match="this process has UPSTREAM_TOKEN"), as_user(app, ADA):
        pass
    assert app.middleware_stack is None
    code = "import sys; from fastapi_gatehouse import *; print(CurrentUser, *sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert "fastapi_gatehouse.identity" in loaded.stdout
    assert "fastapi_gatehouse.testing" not in loaded.stdout


def test_it_takes_apps_and_not_what_is_wrapped_around_them() -> None:
    app = make_app()
    wrapped: Any = Rude(app)
    with pytest.raises(TypeError, match="takes the FastAPI or Starlette app"), as_user(wrapped, ADA):
        pass
    with as_user(app, ADA):
        assert who(Rude(app)) == "ada"


def test_headers_for_writes_what_the_gateway_does() -> None:
    class Plan(BaseModel):
        plan: str
        renewed_at: datetime
        tags: Json[list[str]]
        score: float | None = None

    at = datetime(2030, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone.utc)
    user = User(
        id="ada",
        email="adä %@example.com",
        email_verified=False,
        name="Ada\r\nL",
        roles=("admin", "user"),
        session_id="s1",
        session_created_at=at,
        impersonated_by="root",
        extra=Plan.model_validate({"plan": "pro ü", "renewed_at": at, "tags": json.dumps(["a", "b"])}),
    )
    assert headers_for(user, token="t") == {
        "X-Gatehouse-Token": "t",
        "X-User-Id": "ada",
        "X-User-Email": "ad%C3%A4%20%25@example.com",
        "X-User-Email-Verified": "false",
        "X-User-Name": "Ada%0D%0AL",
        "X-User-Role": "admin,user",
        "X-Session-Id": "s1",
        "X-Session-Created-At": "2030-01-02T03:04:05.678Z",
        "X-User-Impersonated-By": "root",
        "X-User-Plan": "pro%20%C3%BC",
        "X-User-Renewed-At": "2030-01-02T03:04:05.678Z",
        "X-User-Tags": '["a","b"]',
    }
    every = "".join(map(chr, range(0x21, 0x7F)))
    assert headers_for(ADA.replace(name=every))["X-User-Name"] == every.replace("%", "%25")
    assert headers_for(None) == {}
    with pytest.raises(ValueError, match="time zone"):
        headers_for(ADA.replace(session_created_at=datetime(2030, 1, 2)))  # noqa: DTZ001


# The fixtures, in a project of their own

PROJECT = """
import os
os.environ["UPSTREAM_TOKEN"] = ""  # as a conftest.py that sets the environment of its app
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fastapi_gatehouse import OptionalUser, User
from fastapi_gatehouse.testing import AsUser

app = FastAPI()
client = TestClient(app)

@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

@app.get("/who")
def who(user: OptionalUser) -> str:
    return user.id if user else "stranger"

def asked() -> str:
    return client.get("/who").json()

def test_the_user_of_the_fixture(as_user: AsUser, gatehouse_user: User) -> None:
    as_user(app)
    assert asked() == gatehouse_user.id == "ada"
    with as_user(app, gatehouse_user.replace(id="eve")):
        assert asked() == "eve"
    assert asked() == "ada"

def test_nothing_is_left_of_it() -> None:
    assert asked() == "stranger"

class TestAnother:
    @pytest.fixture
    def gatehouse_user(self) -> User:
        return User(id="own", email="own@example.com", email_verified=False)

    @pytest.fixture
    def signed_in(self, as_user: AsUser) -> None:
        as_user(app)

    @pytest.mark.usefixtures("signed_in")
    def test_a_fixture_may_sign_in(self) -> None:
        assert asked() == "own"

    ASYNC_MARK
    @pytest.mark.usefixtures("signed_in")
    async def test_an_async_test_with_such_a_fixture(self) -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/who")).json() == "own"

    ASYNC_MARK
    async def test_an_async_test_that_signs_in(self, as_user: AsUser) -> None:
        as_user(app, None)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/who")).json() == "stranger"
"""


@pytest.mark.parametrize("runner", ["anyio", "asyncio"])
def test_pytest_finds_the_fixtures_by_itself(tmp_path: Path, runner: str) -> None:
    if runner == "asyncio":
        pytest.importorskip("pytest_asyncio")
    (tmp_path / "test_app.py").write_text(
        f"import {httpx.__name__} as httpx\n" + PROJECT.replace("ASYNC_MARK", f"@pytest.mark.{runner}")
    )
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert " passed" in ended.stdout, ended.stdout
    assert " failed" not in ended.stdout, ended.stdout
    assert ended.returncode == 0, ended.stdout


def test_the_plugin_reads_no_token_before_a_project_could_set_one() -> None:
    code = "import sys, fastapi_gatehouse.pytest_plugin; print('fastapi_gatehouse.identity' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert ended.stdout.strip() == "False"


def test_a_test_may_use_the_fixture(as_user: AsUser, gatehouse_user: User) -> None:
    app = make_app()
    as_user(app)
    assert who(app) == gatehouse_user.id
