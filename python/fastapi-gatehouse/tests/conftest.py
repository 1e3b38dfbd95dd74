from typing import Any

import pytest

from fastapi_gatehouse.identity import User

ADA = User(id="ada", email="ada@example.com", email_verified=True)
EVE = User(id="eve", email="eve@example.com", email_verified=False)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def gateway_token(monkeypatch: pytest.MonkeyPatch) -> str:
    """An app that was started with UPSTREAM_TOKEN."""
    from fastapi_gatehouse import identity

    monkeypatch.setattr(identity, "UPSTREAM_TOKEN", b"a-shared-token")
    return "a-shared-token"


def detail_of(answer: Any) -> str:
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    return detail
