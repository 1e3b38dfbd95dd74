import pytest
from pydantic import BaseModel

from fastapi_gatehouse import NotThroughGateway, gatehouse_user
from fastapi_gatehouse.testing import headers_for
from tests.conftest import ADA


class Plan(BaseModel):
    plan: str


def environ_of(headers: dict[str, str]) -> dict[str, object]:
    return {
        "REQUEST_METHOD": "GET",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def test_the_environ_names_the_user() -> None:
    user = ADA.replace(name="Ada Lövelace", roles=("admin", "user"), session_id="s1")
    assert gatehouse_user(environ_of(headers_for(user))) == user
    assert gatehouse_user({}) is None
    assert gatehouse_user(environ_of(dict.fromkeys(headers_for(user), ""))) is None


def test_extra() -> None:
    user = gatehouse_user(environ_of({**headers_for(ADA), "X-User-Plan": "pro"}), extra=Plan)
    assert user is not None
    assert user.extra.plan == "pro"


@pytest.mark.parametrize(
    "headers",
    [
        {"X-User-Email": ""},
        # What servers make of two headers.
        {"X-User-Email-Verified": "true,true"},
        {"X-User-Name": "Ada, Eve"},
        {"X-User-Id": "caf\xe9"},
        {"X-User-Id": "caf\u2603"},
    ],
)
def test_what_the_gateway_would_not_send_is_nobody(headers: dict[str, str]) -> None:
    with pytest.raises(NotThroughGateway) as refusal:
        gatehouse_user(environ_of({**headers_for(ADA), **headers}))
    assert refusal.value.status_code == 401


def test_with_a_shared_token_only_the_gateway_is_believed(gateway_token: str) -> None:
    assert gatehouse_user(environ_of(headers_for(ADA, token=gateway_token))) == ADA
    for token in (None, "", "wrong", f"{gateway_token},{gateway_token}", "\u2603"):
        for user in (ADA, None):
            with pytest.raises(NotThroughGateway):
                gatehouse_user(environ_of(headers_for(user, token=token)))
