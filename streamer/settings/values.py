"""The types of which keys are made: durations, sizes, secrets, files, addresses.

A value may come from an operator (file, environment) or from code (the demo, tests). Operators are held to more: they
write durations with a unit, and a secret may not stand in the file. `WRITTEN` is the validation context that says so.
Nothing here is opened, resolved or connected to.

Question: how does a key know that its value came from the environment? Choice: the value itself says so
(`FromEnvironment`). Rejected: a second tree of origins carried beside the first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr, ValidationInfo

from streamer.settings.layers import FromEnvironment, is_flow, unfolded
from streamer.settings.quantities import duration_text, octets, seconds, size_text

WRITTEN: Final = "written by an operator"
HIGHEST_PORT: Final = 65535
LISTEN: Final = "127.0.0.1:9464"  # where pages are served unless told otherwise


def host_and_port(text: str, such_as: str = "localhost:9092") -> tuple[str, int]:
    """The two parts of `host:port` or `[IPv6]:port`; `such_as` is the example of a refusal.

    Raises:
        ValueError: it is not of that form.
    """
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    odd = not bare or any(c.isspace() or c in "/@,[]" for c in bare) or (":" in bare and bare == host)
    if odd or not (port.isascii() and port.isdecimal()) or int(port) > HIGHEST_PORT:
        raise ValueError(f"wanted host:port, such as {such_as}")
    return bare, int(port)


def without_password(url: str) -> str:
    """A URL that may be shown: the password of its user part as asterisks; all of it, where no part can be told."""
    try:
        netloc = urlsplit(url).netloc
    except ValueError:
        return "**********" if "@" in url else url
    user, _, host = netloc.rpartition("@")
    return url.replace(netloc, f"{user.partition(':')[0]}:**********@{host}", 1) if user else url


def _by_operator(info: ValidationInfo) -> bool:
    return bool(info.context == WRITTEN)


def _duration(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return seconds(value)
    if _by_operator(info) or isinstance(value, bool):
        raise ValueError("wanted a duration with its unit, such as 60s, 5m or 30d")
    return value


def _size(value: Any) -> Any:
    return octets(value) if isinstance(value, str) else value


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("wanted a number")  # noqa: TRY004 - pydantic listens to ValueError
    return value


def _secret(value: Any, info: ValidationInfo) -> Any:
    if _by_operator(info) and value is not None and not isinstance(value, FromEnvironment):
        raise ValueError("a secret may not stand in the file")
    return str(value) if isinstance(value, FromEnvironment) else value


def _path(value: Any) -> Any:
    if isinstance(value, str) and ("\n" in value or "-----BEGIN" in value):
        raise ValueError("wanted the path of a file, not what stands in it")
    return value


def _listed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if isinstance(value, FromEnvironment) and is_flow(value):
        return unfolded(value)
    return [item.strip() for item in value.split(",") if item.strip()]


def _unfolded(value: Any) -> Any:
    return unfolded(value) if isinstance(value, FromEnvironment) else value


def _address(value: str) -> str:
    return _checked_url(value, "wanted a URL such as https://host or http://host:8081, without user, query or fragment")


def origin(value: str) -> str:
    """A URL of a host and no more, without a slash at its end; anything else is a ValueError."""
    wanted = "wanted the URL of a host alone, such as https://intersight.com"
    if urlsplit(_checked_url(value, wanted)).path.strip("/"):
        raise ValueError(wanted)
    return value.rstrip("/")


def _proxy_as_given(value: Any, info: ValidationInfo) -> Any:
    if _by_operator(info) and isinstance(value, str) and "@" in value and not isinstance(value, FromEnvironment):
        raise ValueError("wanted a URL without a password, which may come from the environment only")
    return value


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    plain = value.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else value
    _checked_url(plain, "wanted a URL such as http://proxy:3128")
    return value


def _checked_url(value: str, wanted: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(wanted) from None
    odd = parts.query or parts.fragment or "@" in parts.netloc or any(c.isspace() for c in value) or port == 0
    if parts.scheme not in {"http", "https"} or not parts.hostname or odd:
        raise ValueError(wanted)
    return value.rstrip("/")


def _host_and_port(value: str) -> str:
    host_and_port(value)
    return value


def _listen(value: str) -> str:
    host_and_port(value, LISTEN)
    return value


def _name(value: str) -> str:
    if not value or any(c.isspace() or c in ":/@*" for c in value):
        raise ValueError("wanted the name of a host alone, such as streamer.example.com")
    return value


Number = Annotated[int, BeforeValidator(_no_boolean)]
Duration = Annotated[
    float, BeforeValidator(_duration), PlainSerializer(duration_text, return_type=str, when_used="json")
]
Size = Annotated[
    int, BeforeValidator(_no_boolean), BeforeValidator(_size), PlainSerializer(size_text, str, when_used="json")
]
Text = Annotated[str, Field(min_length=1)]
Secret = Annotated[SecretStr | None, BeforeValidator(_secret)]
File = Annotated[Path | None, BeforeValidator(_path)]
Address = Annotated[str, AfterValidator(_address)]
Origin = Annotated[str, AfterValidator(origin)]
Proxy = Annotated[
    str,
    BeforeValidator(_proxy_as_given),
    AfterValidator(_proxy),
    PlainSerializer(without_password, return_type=str, when_used="json"),
]
Listen = Annotated[str, AfterValidator(_listen)]
HostsAndPorts = Annotated[tuple[Annotated[str, AfterValidator(_host_and_port)], ...], BeforeValidator(_listed)]
Names = Annotated[tuple[Annotated[str, AfterValidator(_name)], ...], BeforeValidator(_listed)]
FLOW: Final = BeforeValidator(_unfolded)
