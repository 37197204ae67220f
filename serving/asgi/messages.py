"""The Open Inference Protocol over gRPC: its messages as the questions and tensors of ``tensors.py``, and back.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from client.stubs.open_inference_pb2 import ModelInferRequest, ModelInferResponse

from .errors import BadRequest
from .tensors import Input, Question, Wanted

# The field of InferTensorContents that has the elements of a datatype.
CONTENTS = {
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "BOOL": "bool_contents",
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
# How raw contents have the elements of a datatype; one of BYTES has its length before it.
RAW = {
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
    "BOOL": "?",
    "FP64": "<f8",
}
LENGTH = struct.Struct("<I")


def question(request: ModelInferRequest) -> Question:
    """The question in a request. Raises BadRequest."""
    raw = request.raw_input_contents
    if raw and (len(raw) != len(request.inputs) or any(one.HasField("contents") for one in request.inputs)):
        raise BadRequest(
            f"raw_input_contents has {len(raw)} tensors beside {len(request.inputs)} inputs: give one for each input "
            "and no contents, or none"
        )
    elements = map(_of_raw, request.inputs, raw) if raw else map(_of_contents, request.inputs)
    return Question(
        inputs=[Input(one.name, list(one.shape), one.datatype, data) for one, data in zip(request.inputs, elements)],
        id=request.id or None,
        parameters={name: _value(parameter) for name, parameter in request.parameters.items()},
        outputs=[Wanted(one.name) for one in request.outputs],
    )


def _value(parameter: Any) -> Any:
    choice = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, choice) if choice else None


def _of_contents(given: Any) -> list[Any]:
    """The elements of an input; none where there is no such datatype, which ``tensors.instances`` refuses."""
    elements = list(getattr(given.contents, CONTENTS.get(given.datatype, ""), ()))
    return _texts(given.name, elements) if given.datatype == "BYTES" else elements


def _of_raw(given: Any, raw: bytes) -> list[Any]:
    if given.datatype == "BYTES":
        return _texts(given.name, _split(given.name, raw))
    if given.datatype not in RAW:
        return []
    try:
        return np.frombuffer(raw, RAW[given.datatype]).tolist()
    except ValueError:
        raise BadRequest(
            f"{given.name} has {len(raw)} bytes of raw contents, which is no whole number of {given.datatype}"
        ) from None


def _split(name: str, raw: bytes) -> list[bytes]:
    elements, start = [], 0
    while start < len(raw):
        begin = start + LENGTH.size
        end = begin + (LENGTH.unpack_from(raw, start)[0] if begin <= len(raw) else 0)
        if end > len(raw):
            raise BadRequest(f"{name} ends within an element: put the length of each before it, in four bytes")
        elements.append(raw[begin:end])
        start = end
    return elements


def _texts(name: str, elements: Sequence[bytes]) -> list[str]:
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} has {error.object[:60]!r} among its data, which is no UTF-8") from None


def response(
    asked: Question, model: str, version: str, outputs: Sequence[dict[str, Any]], is_raw: bool
) -> ModelInferResponse:
    """The response with the tensors of ``tensors.outputs``; ``is_raw``: as raw contents, as the request had its own."""
    said = ModelInferResponse(model_name=model, model_version=version, id=asked.id or "")
    for one in outputs:
        datatype, data = one["datatype"], one["data"]
        elements = [text.encode() for text in data] if datatype == "BYTES" else data
        tensor = said.outputs.add(name=one["name"], datatype=datatype, shape=one["shape"])
        if is_raw:
            said.raw_output_contents.append(_joined(elements) if datatype == "BYTES" else _packed(elements, datatype))
        else:
            getattr(tensor.contents, CONTENTS[datatype]).extend(elements)
    return said


def _joined(elements: Sequence[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(element)) + element for element in elements)


def _packed(elements: Sequence[Any], datatype: str) -> bytes:
    return np.array(elements, RAW[datatype]).tobytes()
