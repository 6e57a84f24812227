"""The product's settings with a secret made for the run; the engine is DATABASE_URL's."""

import os
import secrets

os.environ["ENV_FILE"] = os.devnull  # a developer's own .env must not change what tests see
os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,127.0.0.1")
os.environ.setdefault("HTTPS_ONLY", "false")

from recon_portal.settings import *  # noqa: F403
from recon_portal.settings import BASE_DIR, DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Threads and processes of a test share a file, not the memory of one connection.
    DATABASES["default"]["TEST"] = {"NAME": str(BASE_DIR / "var/test.sqlite3")}
