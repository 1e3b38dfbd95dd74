"""Makes the table of fastapi-users as its documentation says, and users in it, all with the password in PASSWORD."""

import asyncio
import os
import uuid

from fastapi_users import BaseUserManager, UUIDIDMixin, schemas
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

password = os.environ["PASSWORD"]
address = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://")


class Base(DeclarativeBase):
    pass


class User(SQLAlchemyBaseUserTableUUID, Base):
    pass


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    pass


async def main() -> None:
    engine = create_async_engine(address)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with async_sessionmaker(engine, expire_on_commit=False)() as session:
        database = SQLAlchemyUserDatabase(session, User)
        manager = UserManager(database)
        for name in ("ada", "grace", "gone"):
            await manager.create(schemas.BaseUserCreate(email=f"{name}@example.org", password=password))
        ada = await manager.get_by_email("ada@example.org")
        await database.update(ada, {"is_verified": True})
        # Before fastapi-users 13 all hashes were of bcrypt, and they stay until their user signs in.
        grace = await manager.get_by_email("grace@example.org")
        await database.update(grace, {"hashed_password": BcryptHasher().hash(password)})
        gone = await manager.get_by_email("gone@example.org")
        await database.update(gone, {"is_active": False})
    await engine.dispose()


asyncio.run(main())
