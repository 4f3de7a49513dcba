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


class Settings(Memory, Protocol):
    """All settings that must be compatible (of a `RunConfig`)."""

    @property
    def method(self) -> str: ...
    @property
    def method_options(self) -> Mapping[str, Any]: ...
    @property
    def rtn(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def backend_options(self) -> Mapping[str, Any]: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def accumulate(self) -> int: ...
    @property
    def mixing(self) -> str: ...
    @property
    def layer_decay(self) -> float: ...
    @property
    def taught(self) -> bool: ...
    @property
    def bucket(self) -> bool: ...
    @property
    def precision(self) -> str: ...
    @property
    def attention(self) -> str: ...
    @property
    def deterministic(self) -> bool: ...


def compatibility_faults(settings: Settings) -> list[str]:
    """List every incompatible combination, with the compatible ones. Skips parts that do not load."""
    faults = []
    if settings.activations == "recompute" and settings.compile:
        faults.append("activations: 'recompute' and compile: yes exclude each other; drop one.")
    if settings.deterministic and settings.compile:
        faults.append("deterministic: with compile: yes nothing is promised: its kernels are made to suit a machine; "
                      "drop one.")  # fmt: skip
    method = _loaded(METHODS, settings.method)
    faults += _mixing_faults(settings, settings.method, method)
    if settings.layer_decay < 1 and settings.method_options.get("inner_step") == "adam":
        faults.append("layer_decay: with method_options.inner_step adam the inner step would not be the optimiser's, "
                      "whose rates differ by layer; drop one.")  # fmt: skip
    if settings.taught and method is not None and not method.uses_source:
        faults.append(f"rounds, teacher: method {settings.method} learns from no source, and so not from what a "
                      "teacher labels; choose another method.")  # fmt: skip
    if settings.deterministic and settings.backend == "auto" and method is not None and method.uses_backend:
        faults.append("deterministic: backend auto chooses by time, which differs from run to run; name the mode: "
                      "--backend func --backend-opt mode=reverse, or mode=forward.")  # fmt: skip
    if method is not None and method.uses_backend:
        backend = _loaded(BACKENDS, settings.backend)
        if backend is not None:
            faults += _attention_faults(settings, backend.capabilities.attention)
            faults += _precision_faults(settings.precision, BACKENDS, settings.backend)
            faults += memory_faults(settings, settings.backend, backend.capabilities)
            faults += _inner_step_faults(settings, backend.capabilities)
    if method is not None and method.uses_rtn:
        faults += _precision_faults(settings.precision, RTNS, settings.rtn)
    return faults + piece_faults(settings, 1)


def _mixing_faults(settings: Settings, name: str, method: Any) -> list[str]:
    """What a bandit cannot do: do without rewards, and sort the sentences of batches that it has yet to decide on."""
    if settings.mixing != "bandit":
        return []
    faults = []
    if method is not None and not method.tells_usefulness:
        others = [other for other, part in _all(METHODS) if part.tells_usefulness]
        faults.append(f"mixing: 'bandit' rewards a source language by what its batches do for a query loss; method "
                      f"{name} has none; methods that have one: {', '.join(others)}; or another --mixing.")  # fmt: skip
    if settings.bucket:
        faults.append("bucket: yes sorts sentences over many batches, and mixing: bandit decides on each batch after "
                      "the one before; drop one.")  # fmt: skip
    return faults


def piece_faults(settings: Settings, processes: int) -> list[str]:
    """List what prevents gradient accumulation in `accumulate` pieces in each of `processes`."""
    pieces = settings.accumulate * processes
    if pieces == 1:
        return []
    what = f"accumulate: {settings.accumulate}" + (f" in each of {processes} processes" if processes > 1 else "")
    faults = []
    if pieces > settings.batch_size:
        faults.append(f"{what} cuts a batch of {settings.batch_size} sentences into {pieces} pieces; allowed: as many "
                      "as there are sentences; a larger --batch-size, or fewer.")  # fmt: skip
    method = _loaded(METHODS, settings.method)
    backend = _loaded(BACKENDS, settings.backend) if method is not None and method.uses_backend else None
    if backend is not None and not backend.capabilities.pieces:
        others = [name for name, part in _all(BACKENDS) if part.capabilities.pieces]
        faults.append(f"{what} cuts each batch into pieces; backend {settings.backend} needs it whole; backends that "
                      f"work with pieces: {', '.join(others)}.")  # fmt: skip
    return faults


def attention_for(settings: Settings) -> str | None:
    """The attention implementation to load the encoder with; None lets transformers choose."""
    return None if settings.attention == "auto" else settings.attention


def _attention_faults(settings: Settings, possible: tuple[str, ...]) -> list[str]:
    if settings.attention in ("auto", *possible):
        return []
    others = [name for name, part in _all(BACKENDS) if settings.attention in part.capabilities.attention]
    return [
        f"attention: received {settings.attention!r}; backend {settings.backend} differentiates a gradient, for which "
        f"fused attention has no rule; allowed with it: {', '.join(possible)}; backends that work with "
        f"{settings.attention}: {', '.join(others)}."
    ]


def memory_faults(settings: Memory, backend: str, capabilities: Any) -> list[str]:
    """List which of recomputation and compilation a backend's `capabilities` do not support."""
    requested = {
        "recomputation": ("activations: received 'recompute'", settings.activations == "recompute"),
        "compilation": ("compile: received yes", settings.compile),
    }
    faults = []
    for ability in (name for name, (_, wanted) in requested.items() if wanted and not getattr(capabilities, name)):
        others = [name for name, part in _all(BACKENDS) if getattr(part.capabilities, ability)]
        faults.append(f"{requested[ability][0]}; backend {backend} cannot work with that; those that can: "
                      f"{', '.join(others)}.")  # fmt: skip
    return faults


def _inner_step_faults(settings: Settings, capabilities: Any) -> list[str]:
    """What does not go with an inner step by another optimiser than SGD, where the method has such an option."""
    kind = settings.method_options.get("inner_step", "sgd")
    if kind == "sgd":
        return []
    if not capabilities.inner_updates:
        others = [name for name, part in _all(BACKENDS) if part.capabilities.inner_updates]
        return [f"inner_step: received {kind!r}; backend {settings.backend} takes SGD's alone; backends that take it: "
                f"{', '.join(others)}."]  # fmt: skip
    if (steps := settings.backend_options.get("inner_steps", 1)) != 1:
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
