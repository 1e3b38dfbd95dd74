"""Makes the tables of Django's users by its own migrations, and users in them, all with the password in PASSWORD."""

import os
from datetime import datetime, timezone
from urllib.parse import urlsplit

import django
from django.conf import settings

password = os.environ["PASSWORD"]
address = urlsplit(os.environ["DATABASE_URL"])
hashers = ["PBKDF2PasswordHasher", "PBKDF2SHA1PasswordHasher", "Argon2PasswordHasher", "BCryptSHA256PasswordHasher", "BCryptPasswordHasher", "ScryptPasswordHasher"]
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path[1:],
            "USER": address.username,
            "PASSWORD": address.password,
            "HOST": address.hostname,
            "PORT": address.port,
        }
    },
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}" for name in hashers],
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)
for hasher in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"):
    user = User.objects.create_user(hasher, f"{hasher}@example.org", first_name="Ada", last_name="Lovelace")
    user.password = make_password(password, hasher=hasher)
    user.save()
User.objects.create_user("unusable", "unusable@example.org")
User.objects.create_user("nameless", "", password)
User.objects.create_user("gone", "gone@example.org", password, is_active=False)
# Two with one address, of whom the first has not signed in for longer.
User.objects.create_user("before", "Twice@example.org", "what nobody knows", last_login=datetime(2024, 1, 1, tzinfo=timezone.utc))
User.objects.create_user("since", "twice@example.org", password, last_login=datetime(2025, 1, 1, tzinfo=timezone.utc))
