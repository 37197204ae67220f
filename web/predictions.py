"""``POST /api/predictions/{model}``: a model's answer, with what its user did since the model was trained."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from feedback.experiments import Experiment

from .fresh import with_fresh, without_names_of_fresh
from .gateway import Gateway, gateway_of, known_model
from .impressions import impression_of, is_list
from .interleave import interleaved
from .problems import InvalidRequest, NotRegistered, Problem, invalid, too_large
from .schema import Ask
from .torchserve import Answer


async def predictions(request: Request) -> Response:
    """A model's answer, as the contract has it."""
    gateway, model = gateway_of(request), known_model(request.path_params["model"], request)
    ask = await _ask_in(request, gateway.settings.max_body)
    experiment = await gateway.experiments.of(model)
    user = None if ask.user_id is None else str(ask.user_id)
    version = experiment and experiment.version_of(user)
    answer_of = partial(_answer, gateway, model, ask, await _with_events(gateway, model, ask))
    try:
        if experiment and experiment.interleaves(user) and is_list(ask) and ask.movie_id is None:
            answer = await _of_both(gateway, answer_of, experiment)
        else:
            answer = await answer_of(version)
    except NotRegistered:
        if version is None:
            raise
        gateway.metrics.experiment_missed.inc()  # nobody is left without an answer because of an experiment
        answer = await answer_of(None)
    if answer.status == 200 and is_list(ask):
        gateway.writer.show(partial(impression_of, model, ask, answer, experiment, int(time.time())))
    headers = {"X-Model-Version": answer.version, "Server-Timing": f"model;dur={1000 * answer.seconds:.1f}"}
    return Response(answer.body, answer.status, headers, "application/json")


async def _ask_in(request: Request, most: int) -> Ask:
    """The request's body, of at most so many bytes. Raises InvalidRequest, or TooLarge."""
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large(most)
    except ClientDisconnect:
        raise InvalidRequest("The request ended before its body.") from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # another site's page cannot send this type to us without asking first
        raise InvalidRequest(f"Content-Type is {kind[:60] or 'missing'}: send JSON, with application/json.")
    try:
        return Ask.model_validate_json(body)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False)) from None


async def _of_both(gateway: Gateway, answer_of: Callable[[str], Awaitable[Answer]], experiment: Experiment) -> Answer:
    """The lists of both versions in one; that of A alone where B has none."""
    a, b = await asyncio.gather(answer_of(experiment.a), answer_of(experiment.b), return_exceptions=True)
    if isinstance(a, BaseException):
        raise a
    if isinstance(b, Problem):
        gateway.metrics.experiment_missed.inc()
        return a
    if isinstance(b, BaseException):
        raise b
    return interleaved(a, b, random.Random()) if a.status == b.status == 200 else a


async def _answer(gateway: Gateway, model: str, ask: Ask, with_events: Ask, version: str | None) -> Answer:
    if with_events is not ask:
        answer = await gateway.torchserve.ask(model, with_events.json_body(), version)
        if answer.status == 200:
            return without_names_of_fresh(answer, ask)
        # An event must not spoil an answer: an unknown movie does, where the request wants an error for that.
    return await gateway.torchserve.ask(model, ask.json_body(), version)


async def _with_events(gateway: Gateway, model: str, ask: Ask) -> Ask:
    if ask.user_id is None or ask.history:
        return ask
    events = await gateway.reader.tastes_of(str(ask.user_id))
    if not events:
        return ask
    try:
        card = await gateway.catalogues.any_card(first=model)
    except Problem:  # no model has been described yet
        return ask
    most = card.limits.get("max_ids", sys.maxsize)
    return with_fresh(ask, events, card.scale is not None, gateway.settings.events_used, most)
