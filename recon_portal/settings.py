"""Django's settings, from the environment (or `.env`); docs/operations.md explains each.

The portal's own settings stay raw strings here; `reconciliation.conf.load` parses them and the
system checks report what is wrong, with the name, the fault and an example; a fault in one of
these here ends the start at once, in the same words (`environment`). Nothing has an insecure
default: without SECRET_KEY and ALLOWED_HOSTS neither the web nor a worker starts. The
demo makes its own.
"""

from pathlib import Path

from csp.constants import NONE, SELF

from recon_portal.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR / ".env")

SECRET_KEY = env.text("SECRET_KEY")
DEBUG = env.switch("DEBUG", default=False)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "recon_portal.admin_config.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "csp",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_prometheus",
    "django_q",
    "reconciliation",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reconciliation.web.acting.acting_user",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "recon_portal.urls"
WSGI_APPLICATION = "recon_portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.database("DATABASE_URL", default=BASE_DIR / "var/portal.sqlite3")}
DATABASES["default"]["ATOMIC_REQUESTS"] = False
conn_max_age = env.whole_number("DATABASE_CONN_MAX_AGE", default=60, low=0, high=86_400)
transaction_pooler = env.switch("DATABASE_TRANSACTION_POOLER", default=False)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock when a transaction begins, so two writers wait for each other
    # instead of failing half-way; recursive_triggers makes REPLACE fire the audit's DELETE trigger.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON;"
        ),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = conn_max_age
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A server that is silent is gone, for us, after seconds: health has to say so.
    connecting = DATABASES["default"].setdefault("OPTIONS", {})
    connecting.setdefault("connect_timeout", 5)
    connecting.setdefault("tcp_user_timeout", 10_000)
    # Both are for a transaction pooler in between (pgbouncer, Supabase's port 6543).
    if transaction_pooler:
        DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
        DATABASES["default"]["CONN_MAX_AGE"] = 0
        connecting["prepare_threshold"] = None

# The jobs. Delivery is at least once, so each job claims its run; `retry` is far longer than a run
# may take, and one task is taken at a time, so that none is started twice. A task is never tried
# again by the queue: the next minute's does its work.
REDIS_URL = env.text("REDIS_URL")
Q_CLUSTER = {
    "name": "reconciliation",
    "workers": 2,
    "timeout": 45,
    "retry": 300,
    "queue_limit": 2,
    "bulk": 1,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 250,
    "poll": 1,
    # The name by which the console calls the queue's own pages.
    "label": "Jobs",
    # The database by default, so that a task queued in a transaction rolls back with it.
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# What reads /internal/health and /metrics shows this; without one only a loopback client of a
# development or demo server is let in.
INTERNAL_API_TOKEN = env.text("INTERNAL_API_TOKEN")
DEMO = env.switch("DEMO", default=False)
PROMETHEUS_EXPORT_MIGRATIONS = False

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.folder("STATIC_ROOT", default=BASE_DIR / "var/static")
# The files of the installed packages are served as they are, so a clone needs no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LOGIN_URL = "admin:login"

# TLS everywhere but on the demo's loopback server.
HTTPS_ONLY = env.switch("HTTPS_ONLY", default=True)
SECURE_SSL_REDIRECT = HTTPS_ONLY
# Monitoring asks from inside, where no TLS ends.
SECURE_REDIRECT_EXEMPT = [r"^internal/", r"^metrics$"]
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_CONTENT_TYPE_NOSNIFF = True
if env.switch("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
# Everything comes from here: no inline script or style, nothing from another host, no exception.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# The portal's own settings, as text; exchange credentials are read where they are used.
RECON_ENVIRON = {
    name: value
    for name, value in env.variables.items()
    if name.startswith(("RECON_", "ENABLE_RECON_"))
}
# Names alone: where each setting comes from, for the page that shows those in force.
SET_BY_FILE = env.from_file
SET_BY_ENVIRONMENT = frozenset(env.variables) - env.from_file

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.log_level("LOG_LEVEL")},
    # It tells each task three times, and a beat comes every ten seconds; what fails is an error.
    "loggers": {"django-q": {"level": "WARNING"}},
}

env.refuse_faults()
