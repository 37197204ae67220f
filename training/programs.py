"""The network of ``build/<model>/`` as programs of ``torch.export``, which torch has in the place of TorchScript."""

from __future__ import annotations

import copy
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from archives.contents import METRICS
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.metadata import Metadata
from handlers.recommender.model.network import EXPORTED, METHODS, SCRIPTED, Network, load_network
from handlers.recommender.model.positions import evenly_spread

from .config import Settings
from .errors import SettingsError, UserError
from .estimators import ESTIMATORS
from .export import ExportError
from .models import Side, TwoEncoder

TOLERANCE = 1e-5
ROWS_COMPARED = 1000
EXAMPLES = 2  # rows of the tensors that a program is traced with: with one, torch takes the number for a constant
# What a program keeps whether or not it uses it (MF does not): the handler compares its size with metadata.json.
KEPT = {"encode_users": {"users.features.weight"}, "encode_items": {"items.features.weight"}}
CPU = torch.device("cpu")


def write_programs(folder: Path) -> Path:
    """Write ``<model>.pt2`` into ``folder``, beside ``<model>.pt``, from which it is made; returns its path.

    The same network gives the same bytes. Raises UserError where the folder was made by another release, and
    ExportError where the programs compute something else.
    """
    try:
        metadata = msgspec.json.decode((folder / "metadata.json").read_bytes(), type=Metadata)
        settings = msgspec.json.decode((folder / METRICS).read_bytes())["settings"]
        scripted = load_network(folder / f"{metadata.model}{SCRIPTED}", CPU)
        network = _rebuilt(metadata, msgspec.convert(settings, Settings), scripted.state_dict())
    except (ArchiveError, OSError, KeyError, RuntimeError, msgspec.MsgspecError, SettingsError) as error:
        raise UserError(f"{folder} was not made by this release: train it again ({error})") from error
    programs = export_programs(network, metadata)
    target = folder / f"{metadata.model}{EXPORTED}"
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=folder) as work:
        made = Path(work) / target.name
        _pack(programs, made)
        _check_same(folder, metadata, scripted, load_network(made, CPU))
        os.replace(made, target)
    return target


def export_programs(network: TwoEncoder, metadata: Metadata) -> dict[str, ExportedProgram]:
    """A program for each method of a network, for any number of rows."""
    embeddings = torch.zeros(EXAMPLES, metadata.width + 1)
    sides = [
        (embeddings, torch.zeros(EXAMPLES, columns, dtype=torch.int64), torch.zeros(EXAMPLES, columns))
        for schema in (metadata.user_features, metadata.movie_features)
        for columns in (sum(field.columns for field in schema.fields),)
    ]
    rows = (torch.zeros(EXAMPLES, dtype=torch.int64),)
    encodings = network.encode_users(*sides[0]), network.encode_items(*sides[1])
    inputs = {
        "user_embeddings": rows,
        "item_embeddings": rows,
        "encode_users": sides[0],
        "encode_items": sides[1],
        "score_pairs": encodings,
    }
    return {name: _export(network, name, inputs[name]) for name in METHODS}


def _export(network: TwoEncoder, method: str, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """One method as a program that has the parameters which it uses, and no others."""
    whole = _traced(network, method, inputs)
    signature = whole.graph_signature
    names = signature.inputs_to_parameters | signature.inputs_to_buffers
    used = {names[node.name] for node in whole.graph.nodes if node.name in names and node.users}
    return _traced(_with_only(network, used | KEPT.get(method, set())), method, inputs)


def _traced(network: TwoEncoder, method: str, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    module = copy.copy(network)
    module.forward = getattr(module, method)
    rows = Dim("rows")
    program = torch.export.export(module, inputs, dynamic_shapes=tuple({0: rows} for _ in inputs))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it has the paths of this machine
    program.example_inputs = None  # they would be pickled
    return program


def _with_only(network: TwoEncoder, used: set[str]) -> TwoEncoder:
    """A copy of a network whose other parameters and buffers are None."""
    kept = copy.deepcopy(network)
    for prefix, module in kept.named_modules():
        for tensors in (module._parameters, module._buffers):
            for name in tensors:
                if f"{prefix}.{name}".lstrip(".") not in used:
                    tensors[name] = None
    return kept


def _rebuilt(metadata: Metadata, settings: Settings, state: Mapping[str, Tensor]) -> TwoEncoder:
    """The eager network of a scripted one, from which torch.export makes no program."""
    sides = [
        Side(1, [field.size for field in schema.fields], metadata.width)
        for schema in (metadata.user_features, metadata.movie_features)
    ]
    network = ESTIMATORS[metadata.model](settings).build(*sides, 0.0)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def _pack(programs: dict[str, ExportedProgram], path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        for name, program in programs.items():
            data = io.BytesIO()
            torch.export.save(program, data)
            packed.writestr(zipfile.ZipInfo(f"{name}.pt2"), data.getvalue())


@torch.no_grad()
def _check_same(folder: Path, metadata: Metadata, scripted: Network, exported: Network) -> None:
    """Compare what both compute for some rows of each side, for all at once and for one alone."""
    zero, largest, encodings = torch.zeros(1, dtype=torch.int64), 0.0, []
    for side, item in (("user", "user"), ("movie", "item")):
        names = f"{item}_encodings", f"{side}_features", f"{side}_weights"
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
        rows = evenly_spread(len(arrays[0]), ROWS_COMPARED)
        stored, *columns = (torch.from_numpy(array[rows]) for array in arrays)
        embeddings = getattr(scripted, f"{item}_embeddings")(zero).expand(len(rows), -1).contiguous()
        for method, inputs in ((f"encode_{item}s", (embeddings, *columns)), (f"{item}_embeddings", (zero,))):
            largest = max(largest, _difference(scripted, exported, method, *inputs))
        encodings.append(stored)
    count = min(map(len, encodings))
    largest = max(largest, _difference(scripted, exported, "score_pairs", *(part[:count] for part in encodings)))
    if not largest <= TOLERANCE:
        raise ExportError(
            f"{metadata.model}{EXPORTED} computes numbers up to {largest:g} away from {metadata.model}{SCRIPTED}'s; "
            "nothing written"
        )


def _difference(scripted: Network, exported: Network, method: str, *inputs: Tensor) -> float:
    found = []
    for rows in (slice(None), slice(0, 1)):
        given = [part[rows] for part in inputs]
        found.append((getattr(scripted, method)(*given) - getattr(exported, method)(*given)).abs().max().item())
    return max(found)
