"""Who may do what: API keys in `Authorization: Bearer`, each of a scope that includes the ones before it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cloud.api.ports import Services
from cloud.api.problems import KeyMissing, KeyTooWeak

SCOPES = ("read", "write", "admin")  # each may do what the one before may
_bearer = HTTPBearer(auto_error=False, description="A key made with `klimanetz keys create`")


def needs_key(services: Services, scope: str) -> Callable[..., str]:
    """A dependency: the scope of the request's key. Raises KeyMissing and KeyTooWeak."""

    def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
        found = services.registry.key_scope(credentials.credentials) if credentials else None
        if found is None:
            raise KeyMissing("This needs a key: send Authorization: Bearer <key>, made with `klimanetz keys create`")
        if SCOPES.index(found) < SCOPES.index(scope):
            raise KeyTooWeak(f"This needs a key of the scope '{scope}', and this one is of '{found}'")
        return found

    return check
