"""Elements of tensors in messages: in the fields of their types, and as raw bytes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from client.stubs.open_inference_pb2 import InferParameter, ModelInferRequest
from serving.asgi.errors import BadRequest
from serving.asgi.messages import question, response


def raw(datatype: str, contents: bytes) -> ModelInferRequest:
    given = {"name": "user_id", "datatype": datatype, "shape": [2]}
    return ModelInferRequest(inputs=[given], raw_input_contents=[contents])


def lengths_before(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


def test_the_fields_of_a_request() -> None:
    parameters = {"k": InferParameter(int64_param=3), "by": InferParameter(string_param="x"), "no": InferParameter()}
    given = {"name": "user_id", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": ["é".encode()]}}
    asked = question(ModelInferRequest(inputs=[given], parameters=parameters))
    assert (asked.inputs[0].data, asked.inputs[0].shape) == (["é"], [1])
    assert asked.parameters == {"k": 3, "by": "x", "no": None}
    assert (asked.id, asked.outputs) == (None, [])
    asked = question(ModelInferRequest(inputs=[given], id="7", outputs=[{"name": "score"}]))
    assert (asked.id, [one.name for one in asked.outputs]) == ("7", ["score"])


@pytest.mark.parametrize("datatype", ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"])
def test_raw_integers_keep_their_values(datatype: str) -> None:
    limits = np.iinfo(datatype.lower())
    elements = [limits.min, limits.max]
    contents = np.array(elements, datatype.lower()).astype(np.dtype(datatype.lower()).newbyteorder("<")).tobytes()
    assert question(raw(datatype, contents)).inputs[0].data == elements


def test_raw_bytes_have_their_lengths_before_them() -> None:
    assert question(raw("BYTES", lengths_before(b"196", b""))).inputs[0].data == ["196", ""]
    assert question(raw("BYTES", b"")).inputs[0].data == []


@pytest.mark.parametrize(
    ("datatype", "contents", "says"),
    [
        ("INT64", b"1234567", "7 bytes of raw contents, which is no whole number of INT64"),
        ("BYTES", b"\x03\x00\x00", "ends within an element"),
        ("BYTES", lengths_before(b"196") + b"\x04\x00\x00\x00abc", "ends within an element"),
        ("BYTES", b"\xff\xff\xff\xff", "ends within an element"),
        ("BYTES", lengths_before(b"\xff\xfe"), "no UTF-8"),
    ],
)
def test_broken_raw_contents_are_refused(datatype: str, contents: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=f"user_id .*{says}"):
        question(raw(datatype, contents))


def test_there_is_a_raw_tensor_for_each_input() -> None:
    given = {"name": "user_id", "datatype": "INT64", "shape": [1]}
    with pytest.raises(BadRequest, match="raw_input_contents has 1 tensors beside 2 inputs"):
        question(ModelInferRequest(inputs=[given, given], raw_input_contents=[b"\0" * 8]))


@pytest.mark.parametrize(
    ("datatype", "data", "field", "packed"),
    [
        ("FP64", [1.5, -2.0], "fp64_contents", struct.pack("<2d", 1.5, -2.0)),
        ("BOOL", [True, False], "bool_contents", b"\x01\x00"),
        ("INT64", [2**40, -1], "int64_contents", struct.pack("<2q", 2**40, -1)),
        ("BYTES", ["é", ""], "bytes_contents", lengths_before("é".encode(), b"")),
    ],
)
def test_outputs_are_raw_where_the_inputs_were(datatype: str, data: list[Any], field: str, packed: bytes) -> None:
    asked = question(ModelInferRequest(id="7"))
    outputs = [{"name": "score", "datatype": datatype, "shape": [2], "data": data}]
    said = response(asked, "fm", "1.0", outputs, is_raw=False)
    assert (said.model_name, said.model_version, said.id) == ("fm", "1.0", "7")
    ((found, elements),) = [(one.name, value) for one, value in said.outputs[0].contents.ListFields()]
    assert found == field
    assert [one.decode() if isinstance(one, bytes) else one for one in elements] == data
    said = response(asked, "fm", "1.0", outputs, is_raw=True)
    assert list(said.raw_output_contents) == [packed]
    assert not said.outputs[0].HasField("contents")
