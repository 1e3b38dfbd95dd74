"""The gateway's user in WSGI: Flask, Django and what else has an ``environ``."""

from collections.abc import Mapping
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from fastapi_gatehouse.identity import User, read_user

_Model = TypeVar("_Model", bound=BaseModel)


@overload
def gatehouse_user(environ: Mapping[str, Any], *, extra: None = None) -> User | None: ...
@overload
def gatehouse_user(environ: Mapping[str, Any], *, extra: type[_Model]) -> User[_Model] | None: ...
def gatehouse_user(environ: Mapping[str, Any], *, extra: type[BaseModel] | None = None) -> User[Any] | None:
    """The user whom the gateway names, None for a stranger. Raises NotThroughGateway for what it would not send.

    WSGI writes ``X-User-Id`` and ``X_User_Id`` as one variable, and several headers of a name as one with commas. The
    gateway drops what clients send under either name before it writes its own, so nothing of theirs is in these
    variables; around the gateway they can hold anything, which is what ``UPSTREAM_TOKEN`` is for.
    """

    def values(name: str) -> list[str]:
        value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        if value is None:
            return []
        return [str(value)]

    return read_user(values, extra)
