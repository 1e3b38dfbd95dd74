"""The gateway's user as Starlette's ``request.user``, for ``@requires`` and for mounted apps."""

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from fastapi_gatehouse.identity import User, read_user


class GatehouseBackend(AuthenticationBackend):
    """For ``app.add_middleware(AuthenticationMiddleware, backend=…, on_error=GatehouseBackend.on_error)``.

    Who is signed in has the scope ``authenticated``, with a verified email address ``verified``, and ``role:admin`` and
    so on for their roles. On ``open_paths``, for health checks that come around the gateway, nobody is known.
    """

    def __init__(self, *, extra: type[BaseModel] | None = None, open_paths: Collection[str] = ()) -> None:
        if isinstance(open_paths, str):
            raise TypeError('open_paths is a list of paths, such as ["/health"]')
        self._extra = extra
        self._open_paths = frozenset(open_paths)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, User[Any]] | None:
        """The user whom the gateway names, None for a stranger. AuthenticationError for what it would not send."""
        if conn.scope["path"] in self._open_paths:
            return None
        try:
            user = read_user(conn.headers.getlist, self._extra)
        except HTTPException as refusal:
            raise AuthenticationError(refusal.detail) from refusal
        if user is None:
            return None
        verified = ["verified"] if user.email_verified else []
        return AuthCredentials(["authenticated", *verified, *(f"role:{role}" for role in user.roles)]), user

    @staticmethod
    def on_error(conn: HTTPConnection, error: Exception) -> JSONResponse:  # noqa: ARG004
        """The refusal in FastAPI's form; by itself Starlette would answer 400."""
        cause = error.__cause__
        refusal = cause if isinstance(cause, HTTPException) else HTTPException(401, str(error))
        return JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
