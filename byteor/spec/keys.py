"""What the spec layer must know of stage keys: which built-ins rewrite a message, and which act on the
world.

Only names: the stages themselves live in the runtime, and a key that is not listed here is the runtime's to
resolve.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec


class StageKeyError(ValueError):
    """A stage key whose argument is wrong; ``code`` is a row of ``CODES``."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class BuiltinKey(msgspec.Struct, frozen=True):
    """``writes``: changes the message. ``native``: runs in the C kernel. ``capability`` names what it
    may do."""

    name: str
    writes: bool
    native: bool = False
    capability: Callable[[str], str] | None = None


_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([/?#].*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]*)(?::([0-9]*))?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}")


def http_origin(url: str) -> str:
    """The origin of ``url`` as RFC 6454 section 6.2 writes it: ``https://example.com``, port only when
    unusual.

    Raises ``StageKeyError`` (``E_URL``) for anything that two readers could understand differently: user
    information, blanks, backslashes, empty or odd labels, numbers that only some resolvers take for
    addresses.
    """
    hint = "write http_post:https://host/path"
    match = _URL.fullmatch(url)
    if match is None or "\\" in url or " " in url:
        raise StageKeyError("E_URL", f"`{url}` is not an absolute URL", hint)
    scheme, authority = match[1].lower(), match[2]
    if scheme not in _DEFAULT_PORTS:
        raise StageKeyError("E_URL", f"the scheme is {scheme}, not http or https", hint)
    if "@" in authority:
        raise StageKeyError("E_URL", "the URL carries user information", "leave user and password out")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise StageKeyError("E_URL", f"`{authority}` is not a host with a port", hint)
    host, port = _host(parts[1].lower()), parts[2]
    number = int(port[:6]) if port else _DEFAULT_PORTS[scheme]
    if not 1 <= number <= 65535:
        raise StageKeyError("E_URL", f"{port} is not a port", "ports are 1 to 65535")
    return f"{scheme}://{host}" + ("" if number == _DEFAULT_PORTS[scheme] else f":{number}")


def _host(host: str) -> str:
    if host.startswith("["):
        import ipaddress

        try:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            raise StageKeyError(
                "E_URL", f"{host} is not an IPv6 address", "write http://[::1]:8080/"
            ) from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise StageKeyError("E_URL", f"`{host}` is not a host name", "write http_post:https://host/path")
    numeric = labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1])
    if numeric and _IPV4.fullmatch(host) is None:
        raise StageKeyError("E_URL", f"{host} is not an IPv4 address in its usual form", "write 192.0.2.1")
    return host


def exec_words(argument: str) -> tuple[str, ...]:
    """Program and arguments of ``exec:PROGRAM|ARGUMENT|...``, as they are handed over."""
    return tuple(argument.split("|"))


def exec_program(argument: str) -> str:
    """The program in an ``exec`` key's ``argument``. Raises ``StageKeyError`` (``E_EXEC_PATH``)."""
    program = exec_words(argument)[0]
    if not program.startswith("/") or program.endswith("/"):
        hint = "write exec:/path/to/program|argument"
        raise StageKeyError("E_EXEC_PATH", f"`{program}` is not an absolute path", hint)
    if " " in program:  # no shell will split it, and an approver should not read it as if one did
        hint = "separate arguments with |, as in exec:/path/to/program|argument"
        raise StageKeyError("E_EXEC_PATH", f"`{program}` contains a blank", hint)
    return program


BUILTIN_KEYS: dict[str, BuiltinKey] = {
    key.name: key
    for key in (
        BuiltinKey("identity", writes=False, native=True),
        BuiltinKey("crc32c", writes=False, native=True),
        BuiltinKey("crc32c_append", writes=True, native=True),
        BuiltinKey("crc32c_check", writes=False, native=True),
        BuiltinKey("json_append", writes=True, native=True),
        BuiltinKey("json_normalise", writes=True),
        BuiltinKey("json_select", writes=True),
        BuiltinKey("json_drop", writes=True),
        BuiltinKey("json_rename", writes=True),
        BuiltinKey("json_filter", writes=False),
        BuiltinKey("redact", writes=True),
        BuiltinKey("zscore", writes=True),
        BuiltinKey("threshold", writes=True),
        BuiltinKey("dedupe", writes=False),
        BuiltinKey("dedupe_within", writes=False),
        BuiltinKey("sample", writes=False),
        BuiltinKey("sample_random", writes=False),
        BuiltinKey("rate_limit", writes=False),
        BuiltinKey("pace", writes=False),
        BuiltinKey("delay", writes=False),
        BuiltinKey("enrich", writes=True),
        BuiltinKey("dataguard_check", writes=False),
        BuiltinKey("dataguard_redact", writes=True),
        BuiltinKey("dataguard_fused", writes=True),
        BuiltinKey("hash_chain", writes=True),
        BuiltinKey("hash_chain_check", writes=False),
        BuiltinKey("http_post", writes=False, capability=lambda url: "http_post:" + http_origin(url)),
        BuiltinKey("exec", writes=False, capability=lambda command: "exec:" + exec_program(command)),
    )
}


def builtin(key: str) -> BuiltinKey | None:
    """The built-in that stage key ``key`` (``name`` or ``name:argument``) names, if any."""
    return BUILTIN_KEYS.get(key.partition(":")[0])


def capability(key: str) -> str | None:
    """The capability that stage key ``key`` needs, or ``None``. Raises ``StageKeyError`` when its
    argument is wrong."""
    known = builtin(key)
    if known is None or known.capability is None:
        return None
    return known.capability(key.partition(":")[2])
