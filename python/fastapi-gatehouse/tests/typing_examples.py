"""What type checkers say of an app; nothing here is run."""

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel
from typing_extensions import assert_type

from fastapi_gatehouse import CurrentUser, OptionalUser, User, current_user, gatehouse_user, read_user


class Plan(BaseModel):
    plan: str


Member = Annotated[User[Plan], Depends(current_user(extra=Plan))]


def route(user: CurrentUser, somebody: OptionalUser, member: Member) -> None:
    assert_type(user.id, str)
    assert_type(user.roles, tuple[str, ...])
    assert_type(user.extra, None)
    assert_type(somebody, User[None] | None)
    assert_type(member.extra.plan, str)
    user.id = "eve"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def others() -> None:
    assert_type(gatehouse_user({}), User[None] | None)
    assert_type(gatehouse_user({}, extra=Plan), User[Plan] | None)
    assert_type(read_user(lambda _: [], Plan), User[Plan] | None)
    assert_type(User(id="a", email="b", email_verified=True, extra=Plan(plan="free")), User[Plan])
