"""Who is asking, as Gatehouse tells it.

    @app.get("/me")
    def me(user: CurrentUser) -> dict[str, str]:
        return {"id": user.id, "email": user.email}

The gateway has checked the session. It removes whatever a client sent in ``X-User-*``,
``X-Session-*`` and ``X-Gatehouse-*`` and then sets these headers itself, so they can be
believed as long as nobody can reach this app around the gateway. Set ``UPSTREAM_TOKEN``
(or ``UPSTREAM_TOKEN_FILE``) to the same value here and at the gateway to have that checked
too. Everything here is for HTTP routes and for WebSockets alike.

This file needs nothing but FastAPI: an app that cannot install the package can copy it.
"""

import logging
import os
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Final, Generic, cast, get_args, overload
from urllib.parse import unquote_to_bytes

from fastapi import Depends, HTTPException
from fastapi.openapi.models import APIKey
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema
from starlette.authentication import BaseUser
from starlette.requests import HTTPConnection
from typing_extensions import TypeVar, dataclass_transform

_log = logging.getLogger("fastapi_gatehouse")

_T = TypeVar("_T")
Extra = TypeVar("Extra", bound=BaseModel | None, default=None)
_Model = TypeVar("_Model", bound=BaseModel)

HeaderValues = Callable[[str], Sequence[str]]
"""All values of a request's header by its name in lower case, as Starlette's ``Headers.getlist`` has them."""


class NotThroughGateway(HTTPException):
    """401: the headers are none that the gateway would send."""

    def __init__(self) -> None:
        super().__init__(
            401,
            "This request did not come through the gateway, which says who is asking. "
            "Call the gateway's address instead.",
            {"WWW-Authenticate": 'Cookie realm="gatehouse"'},
        )


class NotSent(HTTPException):
    """500: the gateway's policy does not send what this app asks for. The sentence says what to write there."""

    def __init__(self, sentence: str) -> None:
        super().__init__(500, sentence)
        _log.error(sentence)


def _email_not_verified() -> HTTPException:
    return HTTPException(403, "This needs a verified email address.")


@dataclass_transform(frozen_default=True)
def _frozen(cls: type[_T]) -> type[_T]:
    """A frozen dataclass that libraries do not take for one: FastAPI would read a dataclass from a request's body."""
    made = dataclass(frozen=True, repr=False)(cls)
    for name in ("__dataclass_fields__", "__dataclass_params__"):
        delattr(made, name)
    return made


@_frozen
class User(BaseUser, Generic[Extra]):
    """The signed-in user. Authorise by ``id``: an email address that is not verified is only a claim."""

    id: str
    email: str
    email_verified: bool
    name: str | None = None
    """As the user wrote it. None where the policy's ``principalHeaders`` does not name it."""
    roles: tuple[str, ...] = ()
    """Those of BetterAuth's admin plugin; none where ``principalHeaders`` does not name ``role``."""
    session_id: str | None = None
    """The id of the session, which is not its token."""
    session_created_at: datetime | None = None
    """When the session began; a refresh does not change it."""
    impersonated_by: str | None = None
    """The id of the administrator who acts as this user."""
    extra: Extra = cast("Any", None)
    """The app's own model of the additional fields that ``principalHeaders`` names."""

    def __post_init__(self) -> None:
        if isinstance(cast("object", self.roles), str):
            raise TypeError("roles is a tuple of texts, not one text")
        object.__setattr__(self, "roles", tuple(self.roles))

    def __repr__(self) -> str:
        # Addresses and names stay out of logs.
        return f"User(id={self.id!r})"

    def replace(self, **changes: Any) -> "User[Extra]":
        """The same user but for these fields."""
        return type(self)(**{**vars(self), **changes})

    __replace__ = replace

    @property
    def verified_email(self) -> str:
        """The email address if it is verified; otherwise the request ends with 403."""
        if not self.email_verified:
            raise _email_not_verified()
        return self.email

    # What Starlette asks of a `request.user`.

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return self.name or self.email

    @property
    def identity(self) -> str:
        return self.id

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Writes users and reads none: where a ``Depends`` was forgotten, a client could otherwise name itself."""
        kinds: dict[str, Any] = {
            "id": str,
            "email": str,
            "email_verified": bool,
            "name": str | None,
            "roles": tuple[str, ...],
            "session_id": str | None,
            "session_created_at": datetime | None,
            "impersonated_by": str | None,
            "extra": next(iter(get_args(source)), None),
        }
        written = core_schema.typed_dict_schema(
            {name: core_schema.typed_dict_field(handler.generate_schema(kind)) for name, kind in kinds.items()}
        )
        return core_schema.is_instance_schema(
            cls,
            serialization=core_schema.plain_serializer_function_ser_schema(_fields_of, return_schema=written),
        )


def _fields_of(user: User[Any]) -> dict[str, Any]:
    return dict(vars(user))


# Which headers may be believed


def _read_upstream_token() -> bytes | None:
    token, file = os.environ.get("UPSTREAM_TOKEN"), os.environ.get("UPSTREAM_TOKEN_FILE")
    if token and file:
        raise RuntimeError("Set UPSTREAM_TOKEN or UPSTREAM_TOKEN_FILE, not both.")
    if file:
        token = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        if not token:
            # An empty file must not switch the check off.
            raise RuntimeError("The file that UPSTREAM_TOKEN_FILE names is empty.")
    return token.encode() if token else None


UPSTREAM_TOKEN: Final = _read_upstream_token()


def require_gateway(values: HeaderValues) -> None:
    """Refuses whoever does not know ``UPSTREAM_TOKEN``, when one is set.

    Everything that reads an identity asks here first: what else may show where a request came from belongs here.
    """
    if UPSTREAM_TOKEN is None:
        return
    sent = values("x-gatehouse-token")
    try:
        given = sent[0].encode("latin-1") if len(sent) == 1 else b""
    except UnicodeEncodeError:
        given = b""
    if not secrets.compare_digest(given, UPSTREAM_TOKEN):
        raise NotThroughGateway


# Reading what the gateway says

_HEADERS: Final = {
    "id": "x-user-id",
    "email": "x-user-email",
    "email_verified": "x-user-email-verified",
    "name": "x-user-name",
    "role": "x-user-role",
    "session_id": "x-session-id",
    "session_created_at": "x-session-created-at",
    "impersonated_by": "x-user-impersonated-by",
}

# The gateway percent-encodes every byte outside these, and `%` itself.
_never_sent = re.compile(r"[^!-~]|%(?![0-9A-Fa-f]{2})")


def _only(values: HeaderValues, name: str) -> str | None:
    """The header's value; None where it is absent or empty. The gateway sends no header twice."""
    sent = values(name)
    if len(sent) > 1:
        raise NotThroughGateway
    if not sent or not sent[0]:
        return None
    if _never_sent.search(sent[0]):
        raise NotThroughGateway
    try:
        return unquote_to_bytes(sent[0]).decode("utf-8")
    except UnicodeDecodeError:
        raise NotThroughGateway from None


@overload
def read_user(values: HeaderValues, extra: None = None) -> User | None: ...
@overload
def read_user(values: HeaderValues, extra: type[_Model]) -> User[_Model] | None: ...
@overload
def read_user(values: HeaderValues, extra: type[BaseModel] | None) -> User[Any] | None: ...
def read_user(values: HeaderValues, extra: type[BaseModel] | None = None) -> User[Any] | None:
    """The user whom these headers name, None for a stranger.

    Raises NotThroughGateway for headers that the gateway would not send: id, email and its verification are all there
    or none of them is, and nothing else is said about a stranger. An empty header is an absent one.
    """
    require_gateway(values)
    told = {name: _only(values, header) for name, header in _HEADERS.items()}
    further = {} if extra is None else {key: _only(values, header) for key, header in _extra_headers(extra).items()}
    user_id, email, verified = told["id"], told["email"], told["email_verified"]
    if user_id is None and email is None and verified is None:
        if any(value is not None for value in (*told.values(), *further.values())):
            raise NotThroughGateway
        return None
    if user_id is None or email is None or verified not in ("true", "false"):
        raise NotThroughGateway
    role, began = told["role"], told["session_created_at"]
    return User(
        id=user_id,
        email=email,
        email_verified=verified == "true",
        name=told["name"],
        roles=() if role is None else tuple(role.split(",")),
        session_id=told["session_id"],
        session_created_at=None if began is None else _read_time(began),
        impersonated_by=told["impersonated_by"],
        extra=None if extra is None else _read_extra(extra, further),
    )


def _read_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise NotThroughGateway from None


def _extra_headers(model: type[BaseModel]) -> dict[str, str]:
    """The headers of a model's fields, X-User-Credit-Limit of ``credit_limit``, by the names that the model takes."""
    return {
        field.validation_alias if isinstance(field.validation_alias, str) else name: f"x-user-{name.replace('_', '-')}"
        for name, field in model.model_fields.items()
    }


def _read_extra(model: type[_Model], told: dict[str, str | None]) -> _Model:
    try:
        return model.model_validate({key: value for key, value in told.items() if value is not None})
    except ValidationError as error:
        # Where, and not what: the values are the user's.
        fields = sorted({str(place["loc"][0]) for place in error.errors() if place["loc"]})
        raise NotSent(
            f"The gateway's headers do not fit {model.__name__} ({', '.join(fields)}): "
            "see principalHeaders in its policy."
        ) from None


# What a route asks for


class UserRequirement(SecurityBase):
    """A FastAPI security scheme: the lock in the document, and the user, or a refusal, when a request comes."""

    def __init__(
        self,
        *,
        optional: bool = False,
        verified: bool = False,
        roles: Collection[str] | None = None,
        fresh_within: float | None = None,
        extra: type[BaseModel] | None = None,
    ) -> None:
        if isinstance(roles, str) or (roles is not None and not roles):
            raise ValueError('roles is a list of at least one role, such as ["admin"]')
        if fresh_within is not None and not fresh_within > 0:
            raise ValueError("fresh_within is a number of seconds above 0")
        self._optional = optional
        self._verified = verified
        self._roles = None if roles is None else frozenset(roles)
        self._fresh_within = None if fresh_within is None else timedelta(seconds=fresh_within)
        self._extra = extra
        self.scheme_name = "GatehouseOptional" if optional else "Gatehouse"
        self.model = _scheme(optional=optional)

    async def __call__(self, connection: HTTPConnection) -> User[Any] | None:
        user = read_user(connection.headers.getlist, self._extra)
        if user is None:
            if self._optional:
                return None
            raise NotThroughGateway
        if self._roles is not None:
            if not user.roles:
                raise NotSent("This needs X-User-Role: name 'role' in principalHeaders of the gateway's policy.")
            if self._roles.isdisjoint(user.roles):
                raise HTTPException(403, "You are signed in, but this is for people with another role.")
        if self._verified and not user.email_verified:
            raise _email_not_verified()
        if self._fresh_within is not None and not _is_fresh(user, self._fresh_within):
            raise HTTPException(
                403, "This needs somebody who signed in a short while ago. Sign in again, then repeat it."
            )
        return user


# Clocks of two machines differ by less.
_LEEWAY: Final = timedelta(minutes=1)


def _is_fresh(user: User[Any], within: timedelta) -> bool:
    if user.session_created_at is None:
        raise NotSent(
            "This needs X-Session-Created-At: name 'sessionCreatedAt' in principalHeaders of the gateway's policy."
        )
    age = datetime.now(timezone.utc) - user.session_created_at
    return -_LEEWAY < age < within


def _scheme(*, optional: bool) -> APIKey:
    return APIKey.model_validate(
        {
            "in": "cookie",
            # So the gateway calls it on https. With a loopback origin its port is in the name, and `__Host-` is not.
            "name": "__Host-better-auth.session_token",
            "description": ("Strangers may call this too. " if optional else "")
            + "The gateway's session. Sign in at the gateway, in this browser: the cookie is then sent by itself, "
            "and nothing has to be typed here. The app never sees it.",
            # By which `gatehouse routes --openapi` knows who may be a stranger: no scheme of FastAPI's can say it.
            **({"x-gatehouse-optional": True} if optional else {}),
        }
    )


def current_user(
    *,
    optional: bool = False,
    verified: bool = False,
    roles: Collection[str] | None = None,
    fresh_within: float | None = None,
    extra: type[BaseModel] | None = None,
) -> UserRequirement:
    """Makes what ``Depends`` takes: ``Annotated[User, Depends(current_user(roles=["admin"]))]``.

    ``optional``: None for strangers; the rest is asked of those who are signed in. ``verified``: 403 until the email
    address is. ``roles``: 403 without one of these. ``fresh_within``: 403 when the session began longer ago, in
    seconds. ``extra``: a model of the additional fields. Roles and freshness need headers that the policy's
    ``principalHeaders`` names, ``role`` and ``sessionCreatedAt``; without them the answer is 500, with a sentence.
    """
    return UserRequirement(optional=optional, verified=verified, roles=roles, fresh_within=fresh_within, extra=extra)


async def through_gateway(connection: HTTPConnection) -> None:
    """Needs no user, but with ``UPSTREAM_TOKEN`` set the request must have come through the gateway."""
    require_gateway(connection.headers.getlist)


ThroughGateway: Final = Depends(through_gateway)
CurrentUser = Annotated[User, Depends(current_user())]
"""The signed-in user. The gateway answers for strangers before they get here."""
OptionalUser = Annotated[User | None, Depends(current_user(optional=True))]
"""The signed-in user, or None on a route that is open to strangers too."""
VerifiedUser = Annotated[User, Depends(current_user(verified=True))]
"""The signed-in user, whose email address is verified."""
