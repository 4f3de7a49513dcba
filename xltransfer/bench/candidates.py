"""The steps to compare: joint training, the backends, and external baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import torch

from xltransfer.backends.base import Backend, BilevelProblem
from xltransfer.bench.baselines import released_step, torchopt_installed, torchopt_step
from xltransfer.bench.setting import Bench, BenchSetting, build
from xltransfer.config import RunConfig
from xltransfer.data.batching import Batch, split_batch
from xltransfer.encoders.learner import cached_casts, plain_passes, source_loss
from xltransfer.errors import ConfigError, RegistryError, unknown
from xltransfer.registry import BACKENDS
from xltransfer.registry.compatibility import memory_faults
from xltransfer.registry.limits import allowed_values
from xltransfer.registry.options import check_options
from xltransfer.training.device import set_matmul_precision
from xltransfer.utils.parameters import Gradients, named_gradients, trainable

INNER_LR = 3e-5
Step = Callable[[], Gradients]
"""One step; returns the meta-gradient (empty for joint training)."""

BASELINES = {
    "joint": "joint training: gradients of a source and a target batch; fused attention, rows in use",
    "released": "the released procedure: double backward over everything, then a second pass; whole vocabulary",
    "higher-plain": "the higher library on the whole vocabulary, as without this package",
    "learn2learn-plain": "the learn2learn library on the whole vocabulary, as without this package",
    "torchopt-plain": "the TorchOpt library on the whole vocabulary; θ's gradient, which it keeps, by a second pass",
}


def candidates() -> list[str]:
    """List the candidates available on this machine."""
    return [*(name for name in BASELINES if _loads(name)), *(name for name in BACKENDS.names() if _loads(name))]


def make_step(name: str, setting: BenchSetting) -> Step:
    """Prepare a candidate's step. Raises UserError.

    A baseline or a backend, with options as in `func:mode=forward`, and with a precision of its own as in `func@bf16`.
    """
    part, _, precision = name.partition("@")
    if precision:
        setting = dataclasses.replace(setting, precision=validate_precision(precision))
    step = _step_of(part, setting)

    def run() -> Gradients:
        set_matmul_precision(setting.precision)
        return step()

    return run


def validate_precision(name: str) -> str:
    """Validate a precision. Raises ConfigError."""
    allowed = allowed_values(RunConfig, "precision")
    if name not in allowed:
        raise ConfigError([unknown("precision", name, allowed)])
    return name


def _step_of(name: str, setting: BenchSetting) -> Step:
    if name == "joint":
        return _joint(build(setting, None, compact=True))
    if name in BASELINES:
        setting = dataclasses.replace(setting, activations="keep", compile=False)
    if name in _WHOLE_STEPS:
        return partial(_WHOLE_STEPS[name], build_problem(build(setting, "eager", compact=False)), INNER_LR)
    plain = name.removesuffix("-plain")
    if plain.partition(":")[0] not in BACKENDS.names():
        raise RegistryError(unknown("candidate", name, candidates()))
    backend = parse_backend(plain)
    if faults := memory_faults(setting, plain, backend.capabilities):
        raise ConfigError(faults)
    bench = build(setting, "eager" if name in BASELINES else None, compact=name not in BASELINES)
    problem = build_problem(bench, plain_source=backend.capabilities.second_order)

    def step() -> Gradients:
        with cached_casts(bench.learner):
            return backend.step(problem, INNER_LR).meta_grads

    return step


_WHOLE_STEPS = {"released": released_step, "torchopt-plain": torchopt_step}


def parse_backend(spec: str) -> Backend:
    """Build a backend from `name` or `name:option=value,option=value`. Raises UserError."""
    name, _, given = spec.partition(":")
    part = BACKENDS.load(name)
    values, faults = check_options(part, dict(pair.split("=", 1) for pair in given.split(",") if "=" in pair), name)
    if faults:
        raise ConfigError(faults)
    backend: Backend = part(**values)
    return backend


def build_problem(bench: Bench, plain_source: bool = False) -> BilevelProblem:
    """Build the bilevel problem of MetaXL's step; `plain_source` uses eager attention where differentiated twice."""
    support, query = split_batch(bench.target, len(bench.target) // 2)

    def target_loss(learner: Callable[..., torch.Tensor], batch: Batch) -> torch.Tensor:
        with bench.autocast():
            return bench.loss(learner(batch.inputs), batch)

    def inner(learner: Callable[..., torch.Tensor], rtn: object) -> torch.Tensor:
        with bench.autocast():
            losses = partial(bench.loss, batch=bench.source), partial(bench.losses, batch=bench.source)
            return source_loss(learner, rtn, bench.source.inputs, *losses)

    def twice(loss: Callable[[], torch.Tensor]) -> torch.Tensor:
        if not plain_source:
            return loss()
        with plain_passes(bench.learner):
            return loss()

    return BilevelProblem(
        bench.learner,
        bench.rtn,
        inner=lambda learner, rtn: twice(lambda: inner(learner, rtn)),
        support=lambda learner: twice(lambda: target_loss(learner, support)),
        query=lambda learner: target_loss(learner, query),
    )


def _joint(bench: Bench) -> Step:
    def step() -> Gradients:
        theta = trainable(bench.learner)
        with bench.autocast():
            losses = [bench.loss(bench.learner(batch.inputs), batch) for batch in (bench.source, bench.target)]
        named_gradients(theta, torch.autograd.grad(losses, list(theta.values()), allow_unused=True))
        return {}

    return step


def _loads(name: str) -> bool:
    if name == "torchopt-plain":
        return torchopt_installed()
    plain = name.removesuffix("-plain")
    if plain in ("joint", "released"):
        return True
    try:
        BACKENDS.load(plain)
    except RegistryError:
        return False
    return True
