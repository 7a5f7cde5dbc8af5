"""Who may come in: every request is judged here before anything else sees it. Values in, a refusal out."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

TOKEN_BYTES = 32
SHORTEST_TOKEN = 20
LARGEST_SCREEN = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer instead of the page. ``why`` says nothing that helps to guess."""

    status: int
    why: str


class Door:
    """Lets in who shows ``token`` at the one address ``url`` (``http://127.0.0.1:8323``).

    A browser that came with the token in its address gets a ``pass``, a secret of this process, as a cookie:
    the token then leaves the address line and its history. A page of another site can make a browser send
    requests here, or give a name of its own this address; so host and origin must be ours as well.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._host = urlsplit(self.url).netloc.lower()
        self._token = token
        self.cookie = f"byteor_console_{urlsplit(self.url).port or 0}"
        self.pass_ = secrets.token_urlsafe(TOKEN_BYTES)

    @property
    def secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def invitation(self) -> str:
        """The address that a person opens once."""
        return f"{self.url}/?token={self._token}"

    def refusal(
        self, headers: Mapping[str, str], cookies: Mapping[str, str], query: Mapping[str, str]
    ) -> Refusal | None:
        """Why this request is not let in, or None."""
        if headers.get("Host", "").lower() != self._host:
            return Refusal(421, f"this console is at {self.url}")
        origin = headers.get("Origin")
        if origin is not None and origin.lower() != self.url.lower():
            return Refusal(403, "another page's request")
        if not self.brings_token(headers, query) and not _same(cookies.get(self.cookie, ""), self.pass_):
            return Refusal(401, "open the address that byteor-console serve printed; it has the token")
        if not all(_size(query.get(name, "80")) for name in ("width", "height")):
            return Refusal(400, "width and height are numbers up to 1000")
        return None

    def brings_token(self, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether the token itself is shown: in the address, or as ``Authorization: Bearer``."""
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        shown = given.strip() if scheme.lower() == "bearer" else query.get("token", "")
        return _same(shown, self._token)


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def _same(given: str, secret: str) -> bool:
    """Compared in a time that does not tell how much was right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def _size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= LARGEST_SCREEN
