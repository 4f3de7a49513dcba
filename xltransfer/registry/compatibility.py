"""Check that the parts of a run are compatible, from what they declare, before loading weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from xltransfer.errors import RegistryError
from xltransfer.registry import BACKENDS, METHODS, RTNS, Registry


class Memory(Protocol):
    """Settings of activations (of a `RunConfig` or a benchmark)."""

    @property
    def activations(self) -> str: ...
    @property
    def compile(self) -> bool: ...


class Pieces(Protocol):
    """Settings of gradient accumulation (of a `RunConfig`)."""

    @property
    def method(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...


class InnerStep(Protocol):
    """Settings of the inner step (of a `RunConfig`)."""

    @property
    def backend(self) -> str: ...
    @property
    def method_options(self) -> Mapping[str, Any]: ...
    @property
    def backend_options(self) -> Mapping[str, Any]: ...


class Mixed(Protocol):
    """Settings of the mixing of source languages (of a `RunConfig`)."""

    @property
    def mixing(self) -> str: ...
    @property
    def bucket(self) -> bool: ...


class Choice(Memory, Pieces, InnerStep, Mixed, Protocol):
    """All settings that must be compatible (of a `RunConfig`)."""

    @property
    def rtn(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def attention(self) -> str: ...
    @property
    def deterministic(self) -> bool: ...


def compatibility_faults(choice: Choice) -> list[str]:
    """List every incompatible combination, with the compatible ones. Skips parts that do not load."""
    faults = []
    if choice.activations == "recompute" and choice.compile:
        faults.append("activations: 'recompute' and compile: yes exclude each other; drop one.")
    if choice.deterministic and choice.compile:
        faults.append("deterministic: with compile: yes nothing is promised: its kernels are made to suit a machine; "
                      "drop one.")  # fmt: skip
    method = _loaded(METHODS, choice.method)
    faults += _mixing_faults(choice, choice.method, method)
    if choice.deterministic and choice.backend == "auto" and method is not None and method.uses_backend:
        faults.append("deterministic: backend auto chooses by time, which differs from run to run; name the mode: "
                      "--backend func --backend-opt mode=reverse, or mode=forward.")  # fmt: skip
    if method is not None and method.uses_backend:
        backend = _loaded(BACKENDS, choice.backend)
        if backend is not None:
            faults += _attention_faults(choice, backend.capabilities.attention)
            faults += _precision_faults(choice.precision, BACKENDS, choice.backend)
            faults += memory_faults(choice, choice.backend, backend.capabilities)
            faults += _inner_step_faults(choice, backend.capabilities)
    if method is not None and method.uses_rtn:
        faults += _precision_faults(choice.precision, RTNS, choice.rtn)
    return faults + piece_faults(choice, 1)


def _mixing_faults(choice: Mixed, name: str, method: Any) -> list[str]:
    """What a bandit cannot do: do without rewards, and sort the sentences of batches that it has yet to decide on."""
    if choice.mixing != "bandit":
        return []
    faults = []
    if method is not None and not method.tells_usefulness:
        others = [other for other, part in _all(METHODS) if part.tells_usefulness]
        faults.append(f"mixing: 'bandit' rewards a source language by what its batches do for a query loss; method "
                      f"{name} has none; methods that have one: {', '.join(others)}; or another --mixing.")  # fmt: skip
    if choice.bucket:
        faults.append("bucket: yes sorts sentences over many batches, and mixing: bandit decides on each batch after "
                      "the one before; drop one.")  # fmt: skip
    return faults


def piece_faults(choice: Pieces, processes: int) -> list[str]:
    """List what prevents gradient accumulation in `accumulate` pieces in each of `processes`."""
    pieces = choice.accumulate * processes
    if pieces == 1:
        return []
    what = f"accumulate: {choice.accumulate}" + (f" in each of {processes} processes" if processes > 1 else "")
    faults = []
    if pieces > choice.batch_size:
        faults.append(f"{what} cuts a batch of {choice.batch_size} sentences into {pieces} pieces; allowed: as many as "
                      "there are sentences; a larger --batch-size, or fewer.")  # fmt: skip
    method = _loaded(METHODS, choice.method)
    backend = _loaded(BACKENDS, choice.backend) if method is not None and method.uses_backend else None
    if backend is not None and not backend.capabilities.pieces:
        others = [name for name, part in _all(BACKENDS) if part.capabilities.pieces]
        faults.append(f"{what} cuts each batch into pieces; backend {choice.backend} needs it whole; backends that "
                      f"work with pieces: {', '.join(others)}.")  # fmt: skip
    return faults


def attention_for(choice: Choice) -> str | None:
    """The attention implementation to load the encoder with; None lets transformers choose."""
    return None if choice.attention == "auto" else choice.attention


def _attention_faults(choice: Choice, possible: tuple[str, ...]) -> list[str]:
    if choice.attention in ("auto", *possible):
        return []
    others = [name for name, part in _all(BACKENDS) if choice.attention in part.capabilities.attention]
    return [
        f"attention: received {choice.attention!r}; backend {choice.backend} differentiates a gradient, for which "
        f"fused attention has no rule; allowed with it: {', '.join(possible)}; backends that work with "
        f"{choice.attention}: {', '.join(others)}."
    ]


def memory_faults(choice: Memory, backend: str, capabilities: Any) -> list[str]:
    """List which of recomputation and compilation a backend's `capabilities` do not support."""
    asked = {
        "recomputation": ("activations: received 'recompute'", choice.activations == "recompute"),
        "compilation": ("compile: received yes", choice.compile),
    }
    faults = []
    for ability in (name for name, (_, wanted) in asked.items() if wanted and not getattr(capabilities, name)):
        others = [name for name, part in _all(BACKENDS) if getattr(part.capabilities, ability)]
        faults.append(f"{asked[ability][0]}; backend {backend} cannot work with that; those that can: "
                      f"{', '.join(others)}.")  # fmt: skip
    return faults


def _inner_step_faults(choice: InnerStep, capabilities: Any) -> list[str]:
    """What does not go with an inner step by another optimiser than SGD, where the method has such an option."""
    kind = choice.method_options.get("inner_step", "sgd")
    if kind == "sgd":
        return []
    if not capabilities.inner_updates:
        others = [name for name, part in _all(BACKENDS) if part.capabilities.inner_updates]
        return [f"inner_step: received {kind!r}; backend {choice.backend} takes SGD's alone; backends that take it: "
                f"{', '.join(others)}."]  # fmt: skip
    if (steps := choice.backend_options.get("inner_steps", 1)) != 1:
        return [f"inner_steps: received {steps}; allowed with inner_step {kind!r}: 1, since the moments of the "
                "optimiser would have to move on with each step; drop one of the two."]  # fmt: skip
    return []


def _precision_faults(precision: str, registry: Registry, name: str) -> list[str]:
    part = _loaded(registry, name)
    precision = "fp32" if precision == "tf32" else precision  # the same numbers, multiplied by a GPU in its own way
    if part is None or precision in _precisions(part):
        return []
    others = [other for other, candidate in _all(registry) if precision in _precisions(candidate)]
    return [
        f"precision: received {precision!r}; {registry.kind} {name} works in {', '.join(_precisions(part))}; "
        f"{registry.kind}s that work in {precision}: {', '.join(others)}."
    ]


def _precisions(part: Any) -> tuple[str, ...]:
    owner = getattr(part, "capabilities", part)
    found: tuple[str, ...] = owner.precisions
    return found


def _loaded(registry: Registry, name: str) -> Any:
    try:
        return registry.load(name)
    except RegistryError:
        return None


def _all(registry: Registry) -> list[tuple[str, Any]]:
    """Every part of a registry that loads on this machine."""
    found = [(name, _loaded(registry, name)) for name in registry.names()]
    return [(name, part) for name, part in found if part is not None]
