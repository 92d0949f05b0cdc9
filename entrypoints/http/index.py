"""Finds the route of a request by its method and how many parts its path has, instead of asking all of them in turn."""

from collections import defaultdict
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor
from starlette.types import Receive, Scope, Send

PARTS: Final = "/"


class RouteIndex:
    """In front of a router: the first of its routes that fits serves, as there.

    What has no place in the index is left to the router: WebSockets, whatever is found nowhere, and methods that a path
    does not take.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._places: dict[tuple[str, int], list[APIRoute]] = defaultdict(list)
        for route in router.routes:
            if isinstance(route, APIRoute) and all(
                type(convertor) is StringConvertor for convertor in route.param_convertors.values()
            ):
                for method in route.methods or ():
                    self._places[method, route.path.count(PARTS)].append(route)

    def find(self, method: str, path: str) -> tuple[APIRoute | None, dict[str, str]]:
        """The route, and what stands in the path for its parameters; None where the router has to look."""
        for route in self._places.get((method, path.count(PARTS)), ()):
            found = route.path_regex.match(path)
            if found:
                return route, found.groupdict()
        return None, {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or let the router."""
        if scope["type"] == "http" and not scope.get("root_path"):
            route, parameters = self.find(scope["method"], scope["path"])
            if route is not None:
                scope["router"] = self._router
                scope["route"] = route
                scope["endpoint"] = route.endpoint
                scope["path_params"] = parameters
                await route.app(scope, receive, send)
                return
        await self._router.app(scope, receive, send)
