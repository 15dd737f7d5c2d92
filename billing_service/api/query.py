"""Query parameters that a route does not know are refused: one that is misspelt would do nothing."""

import difflib

from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection


async def only_known_parameters(connection: HTTPConnection) -> None:
    """Raise RequestValidationError, a 422, for query parameters that the route does not have.

    A WebSocket's are ignored: a refusal would come before it can be told.
    """
    route = connection.scope.get("route")
    if not connection.query_params or not isinstance(route, APIRoute):
        return
    known = _known_to(route)
    if unknown := sorted(connection.query_params.keys() - known):
        raise RequestValidationError(
            [
                {"loc": ("query", name[:64]), "msg": _sentence(name, known)}
                for name in unknown[:20]
            ]
        )


def _known_to(route: APIRoute) -> frozenset[str]:
    return frozenset(
        each.alias
        for each in get_flat_params(route.dependant)
        if isinstance(each.field_info, Query)
    )


def _sentence(name: str, known: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"There is no such parameter.{hint}"
