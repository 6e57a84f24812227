"""Credentials and addresses of exchanges, from the environment or from files it points to.

`<PREFIX>_API_KEY`, `<PREFIX>_SECRET` and, where the exchange demands one, `<PREFIX>_PASSWORD`, each
also as `…_FILE`, the path of a file that holds the value. An error names the variable and the way
out, and never shows a value.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from reconciliation.exchange.gateway import CredentialsRejected, PermanentExchangeError

MIN_LENGTH = 6
"""What is shorter is refused: it would be a part of ordinary words, and could not be redacted."""
API_KEY, SECRET, PASSWORD, BASE_URL = "_API_KEY", "_SECRET", "_PASSWORD", "_BASE_URL"
ALL_PARTS = frozenset({API_KEY, SECRET, PASSWORD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One set of API keys; `prefix` names the settings they came from, the rest is never shown."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    password: str = field(default="", repr=False)
    prefix: str = ""

    def setting(self, suffix: str) -> str:
        """Return the name of the setting that holds one of the values."""
        return f"{self.prefix}{suffix}" if self.prefix else f"<PREFIX>{suffix}"

    def values(self) -> tuple[str, ...]:
        """Return what must appear in no message."""
        return tuple(value for value in (self.api_key, self.secret, self.password) if value)


def load_credentials(
    prefix: str, environ: Mapping[str, str], *, demanded: Collection[str] = ALL_PARTS
) -> Credentials:
    """Return the credentials whose settings begin with `prefix`: the parts that are demanded.

    Raises `CredentialsRejected`, naming the variable: missing, empty, too short, given twice, or
    pointing to a file that cannot be read.
    """

    def load(suffix: str) -> str:
        return _load(prefix + suffix, environ) if suffix in demanded else ""

    return Credentials(
        api_key=load(API_KEY), secret=load(SECRET), password=load(PASSWORD), prefix=prefix
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSetting:
    """Whether a part of a key is there for this process; nothing of its value is in here.

    `seen_as` is the name of the variable that is set, empty where none is; `fault` is why what is
    set cannot be used.
    """

    name: str
    seen_as: str
    fault: str = ""


def see_credentials(
    prefix: str, environ: Mapping[str, str], *, demanded: Collection[str] = ALL_PARTS
) -> tuple[SeenSetting, ...]:
    """Return of each part that is demanded whether it is there, and whether it can be used."""
    return tuple(
        _see(prefix + suffix, environ)
        for suffix in (API_KEY, SECRET, PASSWORD)
        if suffix in demanded
    )


def _see(name: str, environ: Mapping[str, str]) -> SeenSetting:
    given = [each for each in (name, f"{name}_FILE") if environ.get(each)]
    fault = ""
    if given:
        try:
            _load(name, environ)
        except CredentialsRejected as error:
            fault = str(error)
    return SeenSetting(name=name, seen_as=" and ".join(given), fault=fault)


def load_base_url(prefix: str, environ: Mapping[str, str]) -> str | None:
    """Return where the exchange is reached, or None for its own address.

    Raises `PermanentExchangeError` for anything but a plain http or https address.
    """
    name = prefix + BASE_URL
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        address = urlsplit(text)
        valid = address.scheme in ("http", "https") and bool(address.hostname)
        plain = not (address.query or address.fragment or address.username or address.password)
    except ValueError:
        valid = plain = False
    if not (valid and plain):
        raise PermanentExchangeError(
            f"{name} is not an address like https://host or http://127.0.0.1:8877/name; "
            "correct it, or remove it to use the exchange's own address"
        )
    return text.rstrip("/")


def _load(name: str, environ: Mapping[str, str]) -> str:
    file_name = f"{name}_FILE"
    value, path = environ.get(name, ""), environ.get(file_name, "")
    if value and path:
        raise CredentialsRejected(f"{name} and {file_name} are both set; keep one of them")
    if path:
        value = _read(file_name, path)
    if not value:
        raise CredentialsRejected(
            f"{name} is not set; set it in the environment, or set {file_name} to the path of a "
            "file that holds it"
        )
    if len(value) < MIN_LENGTH:
        raise CredentialsRejected(
            f"{file_name if path else name} holds fewer than {MIN_LENGTH} characters, so the value"
            " could not be kept out of messages; check that it is whole, or make a longer one at"
            " the exchange"
        )
    return value


def _read(file_name: str, path: str) -> str:
    try:
        value = Path(path).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        problem = type(error).__name__
    else:
        if value:
            return value
        problem = "it is empty"
    raise CredentialsRejected(
        f"the file that {file_name} points to cannot be used ({problem}); make it a text file "
        "that this process can read and that holds the value alone"
    )
