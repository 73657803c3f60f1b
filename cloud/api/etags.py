"""Conditional requests (RFC 9110, 13): who has an answer already is told so with 304.

Validators are weak: an answer is the same whatever its content coding. The rule: a 304 that is wrong is worse than
none, so where an answer may change without anything having been stored there is no validator.
"""

import hashlib
from importlib.metadata import version

from fastapi import Request, Response

REVALIDATE = "no-cache"  # keep it, and ask each time whether it is still so
_RELEASE = version("klimanetz")  # another one may word an answer otherwise


def etag(*parts: object) -> str:
    """A validator of everything that the answer depends on."""
    parts = (_RELEASE, *parts)
    return f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"'


def headers_of(tag: str | None) -> dict[str, str]:
    """What an answer says of itself to caches."""
    told = {"Cache-Control": REVALIDATE, "Vary": "Accept-Encoding"}
    return told if tag is None else {"ETag": tag, **told}


def not_modified(request: Request, tag: str | None) -> Response | None:
    """304 with the headers that the answer would have had, None where the client has something else."""
    asked = ",".join(request.headers.getlist("if-none-match"))
    if tag is None or not asked or not _matches(asked, tag):
        return None
    return Response(status_code=304, headers=headers_of(tag))


def _matches(asked: str, tag: str) -> bool:
    """Weak comparison: `W/` is no difference. `*` matches nothing: whether there is an answer is not known yet."""
    return tag.removeprefix("W/") in (one.strip().removeprefix("W/") for one in asked.split(","))
