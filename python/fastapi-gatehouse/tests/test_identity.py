import logging
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel, Json
from starlette.websockets import WebSocketDisconnect

from fastapi_gatehouse import (
    CurrentUser,
    NotThroughGateway,
    OptionalUser,
    ThroughGateway,
    User,
    VerifiedUser,
    current_user,
    read_user,
)
from fastapi_gatehouse.testing import headers_for
from tests.conftest import ADA, EVE, detail_of


class Plan(BaseModel):
    plan: str = "free"
    credit_limit: int | None = None
    tags: Json[list[str]] = []
    claimed_motto: str | None = None


app = FastAPI()
AdminUser = Annotated[User, Depends(current_user(roles=["admin", "owner"]))]
FreshUser = Annotated[User, Depends(current_user(fresh_within=600))]
Member = Annotated[User[Plan], Depends(current_user(extra=Plan))]


@app.get("/me")
async def me(user: CurrentUser) -> User:
    return user


@app.get("/plain")
def plain(user: CurrentUser):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return {"user": user}


@app.get("/feed")
async def feed(user: OptionalUser) -> str:
    return user.email if user else "stranger"


@app.get("/verified")
async def verified(user: VerifiedUser) -> str:
    return user.verified_email


@app.get("/claimed")
async def claimed(user: CurrentUser) -> str:
    return user.verified_email


@app.get("/admin")
async def admin(user: AdminUser) -> str:
    return ",".join(user.roles)


@app.get("/fresh")
async def fresh(user: FreshUser) -> str:
    return user.id


@app.get("/member")
async def member(user: Member) -> User[Plan]:
    return user


@app.get("/maybe-verified")
async def maybe_verified(user: Annotated[User | None, Depends(current_user(optional=True, verified=True))]) -> str:
    return user.id if user else "stranger"


@app.get("/open", dependencies=[ThroughGateway])
async def open_to_all() -> str:
    return "open"


@app.websocket("/ws")
async def socket(websocket: WebSocket, user: CurrentUser) -> None:
    await websocket.accept()
    await websocket.send_text(user.id)
    await websocket.close()


client: Any = TestClient(app)
ada = headers_for(ADA)


def get(path: str, headers: Any = None) -> Any:
    return client.get(path, headers=headers)


def test_the_headers_name_the_user() -> None:
    full = ada | {
        "X-User-Name": "Ada%20L%C3%B6velace",
        "X-User-Role": "admin,user",
        "X-Session-Id": "s1",
        "X-Session-Created-At": "2026-11-26T23:13:18.123Z",
        "X-User-Impersonated-By": "root",
    }
    assert get("/me", full).json() == {
        "id": "ada",
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lövelace",
        "roles": ["admin", "user"],
        "session_id": "s1",
        "session_created_at": "2026-11-26T23:13:18.123000Z",
        "impersonated_by": "root",
        "extra": None,
    }
    assert get("/plain", ada).json()["user"]["email"] == "ada@example.com"


def test_percent_encoded_values_arrive_as_they_were() -> None:
    assert get("/me", ada | {"X-User-Email": "ad%C3%A9%20%25x@example.com"}).json()["email"] == "adé %x@example.com"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        dict.fromkeys(ada, ""),
        dict.fromkeys((*ada, "X-User-Name", "X-User-Role", "X-Session-Id", "X-User-Impersonated-By"), ""),
    ],
    ids=["none", "empty", "all that there are, empty"],
)
def test_a_stranger_has_no_headers_or_empty_ones(headers: dict[str, str]) -> None:
    assert get("/feed", headers).json() == "stranger"
    assert get("/maybe-verified", headers).json() == "stranger"
    refused = get("/me", headers)
    assert refused.status_code == 401
    assert "did not come through the gateway" in detail_of(refused)
    assert refused.headers["www-authenticate"] == 'Cookie realm="gatehouse"'


BAD: dict[str, Any] = {
    "only an id": {"X-User-Id": "ada"},
    "an empty id": ada | {"X-User-Id": ""},
    "an empty email": ada | {"X-User-Email": ""},
    "an empty verification": ada | {"X-User-Email-Verified": ""},
    "no word on verification": {"X-User-Id": "ada", "X-User-Email": "ada@example.com"},
    "verification in another spelling": ada | {"X-User-Email-Verified": "True"},
    "bytes that are not UTF-8": ada | {"X-User-Email": "%FF@example.com"},
    "half a surrogate": ada | {"X-User-Email": "%ED%A0%80@example.com"},
    "a percent sign that encodes nothing": ada | {"X-User-Email": "100%@example.com"},
    "a percent sign at the end": ada | {"X-User-Id": "ada%2"},
    "a space as it is": ada | {"X-User-Name": "Ada Lovelace"},
    "letters as they are": ada | {"X-User-Email": "adä@example.com".encode()},
    "a stranger with a role": {"X-User-Role": "admin"},
    "a stranger with a session": dict.fromkeys(ada, "") | {"X-Session-Id": "s1"},
    "a stranger whom somebody impersonates": {"X-User-Impersonated-By": "root"},
    "a session that began at no time": ada | {"X-Session-Created-At": "yesterday"},
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD.keys())
def test_what_the_gateway_would_not_send_is_nobody_not_even_an_optional_one(headers: dict[str, str]) -> None:
    assert get("/me", headers).status_code == 401
    assert get("/feed", headers).status_code == 401


@pytest.mark.parametrize("name", [*ada, "X-User-Role", "X-Session-Id"])
def test_a_header_that_is_sent_twice_is_refused(name: str) -> None:
    full = {**ada, "X-User-Role": "user", "X-Session-Id": "s1"}
    assert get("/me", full).status_code == 200
    for second in (full[name], "other", ""):
        assert get("/feed", [*full.items(), (name, second)]).status_code == 401


def test_a_refusal_repeats_nothing_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [get("/me", ada | {"X-User-Id": "canary%FF"}), get("/member", ada | {"X-User-Credit-Limit": "canary"})]
    assert [answer.status_code for answer in answers] == [401, 500]
    assert "canary" not in "".join(answer.text for answer in answers) + caplog.text
    assert "ada@" not in caplog.text
    assert "ada@" not in repr(ADA)


def test_verified() -> None:
    eve = headers_for(EVE)
    assert get("/verified", ada).json() == get("/claimed", ada).json() == "ada@example.com"
    assert get("/verified", eve).status_code == get("/claimed", eve).status_code == 403
    assert get("/maybe-verified", eve).status_code == 403


def test_roles_are_compared_as_they_are_written() -> None:
    for role in ("admin", "owner", "user,owner"):
        assert get("/admin", ada | {"X-User-Role": role}).json() == role
    for role in ("user", "Admin", "administrator", "%20admin", "admin;owner"):
        assert get("/admin", ada | {"X-User-Role": role}).status_code == 403
    assert get("/admin").status_code == 401


def test_a_policy_that_does_not_send_what_is_asked_for_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    for path, name in (("/admin", "'role'"), ("/fresh", "'sessionCreatedAt'")):
        for headers in (ada, ada | {"X-User-Role": "", "X-Session-Created-At": ""}):
            answer = get(path, headers)
            assert answer.status_code == 500
            assert f"name {name} in principalHeaders" in detail_of(answer)
            assert f"name {name} in principalHeaders" in caplog.text


def test_fresh_within_looks_at_when_the_session_began() -> None:
    def began(ago: float) -> dict[str, str]:
        at = datetime.now(timezone.utc) - timedelta(seconds=ago)
        return headers_for(ADA.replace(session_created_at=at))

    for ago in (0, 590, -30):
        assert get("/fresh", began(ago)).status_code == 200, ago
    for ago in (610, 86_400, -120):
        answer = get("/fresh", began(ago))
        assert answer.status_code == 403, ago
        assert "Sign in again" in detail_of(answer)


def test_extra_is_the_apps_own_model() -> None:
    sent = ada | {
        "X-User-Plan": "pro%20%C3%BC",
        "X-User-Credit-Limit": "500",
        "X-User-Tags": '["a","b"]',
        "X-User-Claimed-Motto": "100%25",
    }
    assert get("/member", sent).json()["extra"] == {
        "plan": "pro ü",
        "credit_limit": 500,
        "tags": ["a", "b"],
        "claimed_motto": "100%",
    }
    assert get("/member", ada).json()["extra"]["plan"] == "free"
    wrong = get("/member", ada | {"X-User-Credit-Limit": "a lot".replace(" ", "%20")})
    assert wrong.status_code == 500
    assert "do not fit Plan (credit_limit)" in detail_of(wrong)
    assert get("/member", [*sent.items(), ("X-User-Plan", "free")]).status_code == 401
    assert get("/member", {"X-User-Plan": "pro"}).status_code == 401, "nothing is said about a stranger"


def test_websockets_know_their_user() -> None:
    with client.websocket_connect("/ws", headers=ada) as websocket:
        assert websocket.receive_text() == "ada"
    for headers in ({}, ada | {"X-User-Id": ""}):
        with pytest.raises((WebSocketDisconnect, RuntimeError)), client.websocket_connect("/ws", headers=headers):
            pass


def test_the_document_shows_who_needs_a_user() -> None:
    document = get("/openapi.json").json()
    security = {path: item["get"].get("security") for path, item in document["paths"].items()}
    for path in ("/me", "/verified", "/admin", "/fresh", "/member"):
        assert security[path] == [{"Gatehouse": []}], path
    assert security["/feed"] == security["/maybe-verified"] == [{"GatehouseOptional": []}]
    assert security["/open"] is None
    schemes = document["components"]["securitySchemes"]
    for scheme in schemes.values():
        assert scheme["type"] == "apiKey"
        assert scheme["in"] == "cookie"
        assert scheme["name"] == "__Host-better-auth.session_token"
        assert "nothing has to be typed" in scheme["description"]
    assert "x-gatehouse-optional" not in schemes["Gatehouse"]
    assert schemes["GatehouseOptional"]["x-gatehouse-optional"] is True
    shown = document["paths"]["/member"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(shown["properties"]) == set(vars(ADA))
    assert shown["properties"]["extra"] == {"$ref": "#/components/schemas/Plan"}


def test_a_user_is_never_read_from_a_request() -> None:
    forgetful = FastAPI()

    @forgetful.post("/no-depends")
    async def no_depends(user: User) -> str:
        return user.id

    @forgetful.post("/no-depends-either")
    async def no_depends_either(user: Annotated[User, current_user()]) -> str:
        return user.id

    body = {**vars(EVE), "roles": ["admin"]}
    for path in ("/no-depends", "/no-depends-either"):
        for sent in (body, {"user": body}):
            assert TestClient(forgetful).post(path, json=sent, headers=ada).status_code == 422, path


def test_a_user_is_frozen_and_equal_to_its_like() -> None:
    user = User(id="ada", email="ada@example.com", email_verified=True)
    assert user == ADA
    assert hash(user) == hash(ADA)
    assert user != EVE
    assert user.replace(name="Ada").name == "Ada"
    for name in ("id", "roles", "is_admin"):
        with pytest.raises(AttributeError):
            setattr(user, name, "eve")
    with pytest.raises(TypeError, match="not one text"):
        user.replace(roles="admin")


@pytest.mark.parametrize(
    "wrong",
    [{"roles": []}, {"roles": "admin"}, {"fresh_within": 0}, {"fresh_within": -1}, {"fresh_within": float("nan")}],
)
def test_a_requirement_that_nobody_or_everybody_would_meet_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is a"):
        current_user(**wrong)


def test_with_a_shared_token_only_the_gateway_is_believed(gateway_token: str) -> None:
    right = headers_for(ADA, token=gateway_token)
    assert get("/me", right).status_code == 200
    assert get("/open", {"X-Gatehouse-Token": gateway_token}).status_code == 200
    for wrong in ("", "a-shared-tokex", "A-shared-token", "é".encode("latin-1")):
        assert get("/me", right | {"X-Gatehouse-Token": wrong}).status_code == 401
    assert get("/me", [*right.items(), ("X-Gatehouse-Token", gateway_token)]).status_code == 401
    for path in ("/me", "/feed", "/open"):
        assert get(path, ada).status_code == 401, path
    with pytest.raises(NotThroughGateway):
        read_user(lambda name: ["a-shared-token€"] if name == "x-gatehouse-token" else [])


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"UPSTREAM_TOKEN_FILE": "empty"}, "UPSTREAM_TOKEN_FILE names is empty"),
        ({"UPSTREAM_TOKEN_FILE": "full", "UPSTREAM_TOKEN": "x"}, "not both"),
        ({"UPSTREAM_TOKEN_FILE": "missing"}, "FileNotFoundError"),
        ({"UPSTREAM_TOKEN_FILE": "full"}, ""),
    ],
)
def test_an_app_without_the_token_that_it_was_told_to_have_does_not_start(
    tmp_path: Path, env: dict[str, str], said: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "full").write_text("a-shared-token\n")
    code = "from fastapi_gatehouse import CurrentUser, identity; assert identity.UPSTREAM_TOKEN == b'a-shared-token'"
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (ended.returncode == 0) == (said == ""), ended.stderr
    assert said in ended.stderr


def test_the_core_is_one_file_that_can_be_copied(tmp_path: Path) -> None:
    from fastapi_gatehouse import identity

    (tmp_path / "identity.py").write_text(Path(identity.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    hidden = "import sys; sys.modules['fastapi_gatehouse'] = None; sys.path.insert(0, '.'); import identity"
    asked = f"{hidden}; print(identity.current_user().scheme_name)"
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", asked], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "Gatehouse", ended.stderr
