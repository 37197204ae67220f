"""In the model server's place: httpx's MockTransport, which tests tell what it answers and raises."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from web.connections import Response


class Mocked:
    """A ``web.connections.Server``."""

    def __init__(self, transport: httpx.MockTransport, url: str = "http://torchserve.test") -> None:
        self._transport, self._url = transport, url

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        request = httpx.Request(method, self._url + path, headers=headers, content=body)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except httpx.TransportError as error:
            raise ConnectionError(str(error)) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status_code, headers, await response.aread())

    async def close(self) -> None:
        pass
