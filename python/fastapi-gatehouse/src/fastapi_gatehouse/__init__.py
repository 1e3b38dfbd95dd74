"""Who is asking, in FastAPI, Starlette and WSGI, as the gateway Gatehouse tells it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi_gatehouse.identity import (
        CurrentUser,
        NotSent,
        NotThroughGateway,
        OptionalUser,
        ThroughGateway,
        User,
        VerifiedUser,
        current_user,
        read_user,
        through_gateway,
    )
    from fastapi_gatehouse.starlette_backend import GatehouseBackend
    from fastapi_gatehouse.wsgi import gatehouse_user

__all__ = [
    "CurrentUser",
    "GatehouseBackend",
    "NotSent",
    "NotThroughGateway",
    "OptionalUser",
    "ThroughGateway",
    "User",
    "VerifiedUser",
    "current_user",
    "gatehouse_user",
    "read_user",
    "through_gateway",
]


def __getattr__(name: str) -> Any:
    # At the first use: pytest imports this package for its plugin before a project's conftest.py, which may be what
    # sets UPSTREAM_TOKEN, and that is read when `identity` is imported.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = {"GatehouseBackend": "starlette_backend", "gatehouse_user": "wsgi"}.get(name, "identity")
    return getattr(import_module(f"{__name__}.{module}"), name)
