"""Who is asking, as Gatehouse tells it.

Copy this file into your own app. It needs nothing but FastAPI:

    @app.get("/me")
    def me(user: CurrentUser):
        return {"id": user.id, "email": user.email}

The gateway has already checked the session. It removes whatever a client sent in
``X-User-*`` and ``X-Gatehouse-*`` and then sets those headers itself, so they can be
believed as long as nobody can reach this app around the gateway. Set ``UPSTREAM_TOKEN``
(or ``UPSTREAM_TOKEN_FILE``) to the same value here and at the gateway to have that
checked too. Everything here works for HTTP routes and for WebSockets alike.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, HTTPException
from starlette.requests import HTTPConnection

NOT_THROUGH_GATEWAY = "This request did not come through the gateway, which says who is asking. Call the gateway's address instead."
EMAIL_NOT_VERIFIED = "This needs a verified email address."


@dataclass(frozen=True)
class User:
    """The signed-in user. Authorise by ``id``: an email that is not verified is only a claim."""

    id: str
    email: str
    email_verified: bool

    @property
    def verified_email(self) -> str:
        """The email address if it is verified; otherwise the request ends with 403."""
        if not self.email_verified:
            raise HTTPException(403, EMAIL_NOT_VERIFIED)
        return self.email


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


UPSTREAM_TOKEN = _read_upstream_token()


def _only(connection: HTTPConnection, name: str) -> str | None:
    """The header's value; a header sent twice is nothing that the gateway would do."""
    values = connection.headers.getlist(name)
    if len(values) > 1:
        raise HTTPException(401, NOT_THROUGH_GATEWAY)
    return values[0] if values else None


def through_gateway(connection: HTTPConnection) -> None:
    """Refuses whoever does not know ``UPSTREAM_TOKEN``, when one is set."""
    if UPSTREAM_TOKEN is None:
        return
    sent = _only(connection, "x-gatehouse-token") or ""
    if not secrets.compare_digest(sent.encode("latin-1"), UPSTREAM_TOKEN):
        raise HTTPException(401, NOT_THROUGH_GATEWAY)


def optional_user(connection: HTTPConnection, _: Annotated[None, Depends(through_gateway)]) -> User | None:
    """The signed-in user, or None on a route that is open to strangers too."""
    user_id = _only(connection, "x-user-id")
    email = _only(connection, "x-user-email")
    verified = _only(connection, "x-user-email-verified")
    if user_id is None and email is None and verified is None:
        return None
    if not user_id or not email or verified not in ("true", "false"):
        raise HTTPException(401, NOT_THROUGH_GATEWAY)
    try:
        # The gateway percent-encodes what does not fit into a header, as UTF-8.
        return User(unquote(user_id, errors="strict"), unquote(email, errors="strict"), verified == "true")
    except UnicodeDecodeError as error:
        raise HTTPException(401, NOT_THROUGH_GATEWAY) from error


def current_user(user: Annotated[User | None, Depends(optional_user)]) -> User:
    """The signed-in user. The gateway answers for strangers before they get here."""
    if user is None:
        raise HTTPException(401, NOT_THROUGH_GATEWAY)
    return user


def verified_user(user: Annotated[User, Depends(current_user)]) -> User:
    """The signed-in user, whose email is verified."""
    if not user.email_verified:
        raise HTTPException(403, EMAIL_NOT_VERIFIED)
    return user


ThroughGateway = Depends(through_gateway)
CurrentUser = Annotated[User, Depends(current_user)]
OptionalUser = Annotated[User | None, Depends(optional_user)]
VerifiedUser = Annotated[User, Depends(verified_user)]
