"""The Open Inference Protocol v2 over gRPC, beside ``v2.py`` and from the same queues; and gRPC's own health check."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar

import grpc
import msgspec
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthServicer, add_HealthServicer_to_server

from client.stubs import open_inference_pb2 as pb2
from client.stubs.open_inference_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

from . import tensors
from .code import Answer, Hosted
from .errors import HostError, NotAnswered
from .fleet import Fleet
from .http import beside
from .messages import question, response

logger = logging.getLogger(__name__)

# The others are INVALID_ARGUMENT; also 413, for which a client of gRPC would ask again.
STATUS = {
    404: grpc.StatusCode.NOT_FOUND,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
LONGEST = 600  # characters of a message, which is a header: clients take 8 KB of these
SERVICES = ("", pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name)  # whose health is known
Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


def server(fleet: Fleet, address: str, queue: int, max_body: int) -> grpc.aio.Server:
    """A server on ``address`` (``host:port``) for the running event loop, not yet started.

    Several processes may have one address: the system shares the connections out. ``max_body``: bytes of a request;
    ``queue``: requests at once, those included that are not all there. More are RESOURCE_EXHAUSTED.
    """
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", max_body)]
    made = grpc.aio.server(options=options, maximum_concurrent_rpcs=queue)
    add_GRPCInferenceServiceServicer_to_server(OpenInference(fleet), made)
    add_HealthServicer_to_server(Health(fleet), made)
    made.add_insecure_port(address)
    return made


def answered(method: Method) -> Method:
    """The method with a status for each error that it raises."""

    @wraps(method)
    async def call(self: OpenInference, request: Any, context: grpc.aio.ServicerContext) -> Any:
        try:
            return await method(self, request, context)
        except grpc.aio.AbortError:
            raise
        except HostError as error:
            refusal = error
        except Exception:
            logger.exception("%s failed", method.__name__)
            refusal = NotAnswered("the request could not be answered: the server's log says why")
        self.fleet.codes[refusal.code] += 1
        await _abort(context, refusal.code, str(refusal))

    return call  # type: ignore[return-value]


async def _abort(context: grpc.aio.ServicerContext, code: int, message: str) -> None:
    shortened = message if len(message) <= LONGEST else f"{message[:LONGEST]}..."
    await context.abort(STATUS.get(code, grpc.StatusCode.INVALID_ARGUMENT), shortened)


class OpenInference(GRPCInferenceServiceServicer):
    """Answers from the versions of a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    async def ServerLive(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Whether the server is there."""
        return pb2.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Whether requests should be sent here."""
        return pb2.ServerReadyResponse(ready=self.fleet.is_ready)

    async def ServerMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """What the server is."""
        return pb2.ServerMetadataResponse(**tensors.server_metadata())

    @answered
    async def ModelReady(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Whether a version answers."""
        self.fleet.find(request.name, request.version)
        return pb2.ModelReadyResponse(ready=True)

    @answered
    async def ModelMetadata(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """What a model is."""
        hosted = self.fleet.find(request.name, request.version).batches.hosted
        said = tensors.metadata(hosted.model, list(self.fleet.models[hosted.model]), hosted.id_types)
        return pb2.ModelMetadataResponse(**said)

    @answered
    async def ModelInfer(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """The answer to tensors."""
        self.fleet.find(request.model_name, request.model_version)
        asked, instances = await beside(_read, request, size=request.ByteSize())
        batches = self.fleet.find(request.model_name, request.model_version).batches  # as it is now
        answer = await batches.answer(instances)
        if answer.code != 200:
            await _abort(context, answer.code, msgspec.json.decode(answer.body)["message"])
        is_raw = bool(request.raw_input_contents)
        return await beside(_reply, asked, batches.hosted, answer, is_raw, size=len(answer.body))


class Health(HealthServicer):
    """``grpc.health.v1``, as Kubernetes' probes and load balancers ask it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Whether requests should be sent here, as ``ServerReady`` says."""
        if request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no such service; there is {SERVICES[1]}")
        states = health_pb2.HealthCheckResponse
        return states(status=states.SERVING if self.fleet.is_ready else states.NOT_SERVING)

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Not there: a call that never ends would keep the server from its end."""
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "there is Check alone: ask it again and again")


def _read(request: Any) -> tuple[tensors.Question, bytes]:
    """The question in a request, and the contract's body for it. Raises BadRequest."""
    asked = question(request)
    return asked, tensors.instances(asked)


def _reply(asked: tensors.Question, hosted: Hosted, answer: Answer, is_raw: bool) -> Any:
    """The response. Raises BadRequest."""
    return response(asked, hosted.model, hosted.version, tensors.outputs(asked, answer.body), is_raw)
