"""Query parameters that a route does not know, or that come twice, are refused.

A mistyped `start=` must not be answered with the default day as if it had been understood. Every router of JSON and
CSV has `known_query` among its dependencies; what a route knows is what its description in /openapi.json lists.
"""

from collections import Counter

from fastapi import Request
from fastapi.routing import APIRoute

from cloud.api.problems import BadParameter

_SHOWN = 40  # characters of a name that is nobody's


def known_query(request: Request) -> None:
    """A dependency. Raises BadParameter, which names the parameter and those that there are."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [one.alias for one in route.dependant.query_params]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            raise BadParameter(f"`{name[:_SHOWN]}` is no parameter of this address: {_way_out(known)}")
        if times > 1:
            raise BadParameter(f"`{name}` is given {times} times, and once is meant: {_way_out(known)}")


def _way_out(known: list[str]) -> str:
    return f"it takes {', '.join(f'`{name}`' for name in known)}, each once" if known else "it takes none"
