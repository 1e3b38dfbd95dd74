"""The fixtures ``gatehouse_user`` and ``as_user``; pytest finds them by itself where the package is installed."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

    from fastapi_gatehouse.identity import User
    from fastapi_gatehouse.testing import AsUser

# Imported where it is used: what is imported here is imported by every run of pytest, before a project's conftest.py.


@pytest.fixture
def gatehouse_user() -> "User[Any]":
    """The user whom ``as_user`` signs in by itself. A fixture of this name in conftest.py replaces it."""
    from fastapi_gatehouse.identity import User

    return User(id="ada", email="ada@example.com", email_verified=True, name="Ada", roles=("user",))


@pytest.fixture
def as_user(gatehouse_user: "User[Any]") -> "Iterator[AsUser]":
    """``as_user(app, user)`` signs a user in until the test ends, or the ``with`` block that it begins."""
    from fastapi_gatehouse import testing

    with ExitStack() as whole_test:

        def sign_in(app: "Starlette", user: "User[Any] | None" = gatehouse_user) -> ExitStack:
            ending = whole_test.enter_context(ExitStack())
            ending.enter_context(testing.as_user(app, user, everywhere=True))
            return ending

        yield sign_in
