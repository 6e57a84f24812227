from collections.abc import Callable

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from tests.admin.pages import Console
from tests.admin.story import Story, tell


@pytest.fixture
def console(db: None) -> Console:
    """Return a browser in which a superuser is logged in."""
    return Console(logged_in(User.objects.create_superuser("root", password="irrelevant")))


@pytest.fixture
def staff(db: None) -> Callable[..., Console]:
    """Return what logs a staff user in who may view the models given, and nothing else."""

    def log_in(*may_view: type[Model]) -> Console:
        user = User.objects.create_user("someone", password="irrelevant", is_staff=True)
        names = [f"view_{model._meta.model_name}" for model in may_view]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        return Console(logged_in(user))

    return log_in


@pytest.fixture
def story(db: None) -> Story:
    return tell()


def logged_in(user: User) -> Client:
    """Return a browser with the user's session; a login by its page would be an event."""
    client = Client()
    session = client.session
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(session.session_key)
    return client
