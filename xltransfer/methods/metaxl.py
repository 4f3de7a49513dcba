"""MetaXL (Xia et al. 2021, Algorithm 1): φ by the meta-gradient, θ by the losses it shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from xltransfer.backends.base import BilevelProblem, MetaStep, checked, require_inner_update
from xltransfer.backends.inner_update import SGD, InnerUpdate
from xltransfer.data.batching import Batch, split_batch
from xltransfer.data.held_out import Phase, held_out_batches
from xltransfer.encoders.learner import cached_casts
from xltransfer.errors import ConfigError, require_finite
from xltransfer.methods.base import PIECE, QUERY, SOURCE, SUPPORT, Method, Sums, Trainee, gradients
from xltransfer.methods.joint import joint_step
from xltransfer.registry import Bounds
from xltransfer.utils.parameters import Gradients, add_into, cosine, read_figures


@dataclass(frozen=True)
class Halves:
    """A target batch, split for a meta-step."""

    support: Batch
    query: Batch
    share: float
    """The weight of the support loss: its part of the whole batch's mean, where θ learns from that; else 1."""


class MetaXL(Method):
    """The first half of a target batch (or `support_share`) is support (inner step), the rest is query (meta loss)."""

    uses_rtn = True
    uses_backend = True
    tells_usefulness = True

    def __init__(
        self,
        *,
        order: Annotated[
            Literal["published", "released"],
            "gradient for θ: at the current φ (`published`, Algorithm 1), or recomputed at the new φ (`released`)",
        ] = "published",
        theta_batch: Annotated[
            Literal["lookahead", "whole", "support"],
            "target sentences that update θ: `support` (first half, as released), `whole` (all, one more pass), "
            "`lookahead` (all, the query half evaluated at θ')",
        ] = "lookahead",
        free_of_lr: Annotated[
            bool, "divide the meta-gradient by the inner learning rate, so that it does not follow the schedule"
        ] = True,
        inner_step: Annotated[
            Literal["sgd", "adam"],
            "inner step: `sgd` (as published), or `adam` (the step that θ's optimiser would take)",
        ] = "sgd",
        support_share: Annotated[
            float, "share of each target batch used as support; lower: more query sentences"
        ] = 0.5,
        normalised: Annotated[
            bool,
            "divide the meta-gradient by its norm; the original norm is logged",
        ] = False,
        start: Annotated[
            float,
            "share of the steps at the start that are joint training, without the RTN; faster",
        ] = 0.0,
        finish: Annotated[
            float,
            "share of the steps at the end with the RTN fixed, which update θ from both whole batches; faster",
        ] = 0.0,
        every: Annotated[
            int, "update the RTN in every N-th step; in the others, θ learns from both batches, faster", Bounds(1, 1000)
        ] = 1,
        held_out: Annotated[
            float,
            "share of the target sentences used only in the query loss (and in `finish`), so that θ does not "
            "memorise them; the whole batch of the others is support",
        ] = 0.0,
    ) -> None:
        if not 0 < support_share < 1:
            raise ValueError(f"support_share: received {support_share}; allowed: a number between 0 and 1.")
        for name, share in (("start", start), ("finish", finish), ("held_out", held_out)):
            if not 0 <= share < 1:
                raise ValueError(f"{name}: received {share}; allowed: 0 or more, and less than 1.")
        if start + finish >= 1:
            raise ValueError(f"start and finish: received {start} and {finish}; allowed: less than 1 together.")
        if every > 1 and held_out:
            raise ValueError(f"every: received {every} with held_out {held_out}; one of them only.")
        self.order = order
        self.theta_batch = "support" if held_out else theta_batch
        self.free_of_lr = free_of_lr
        self.inner_step = inner_step
        self.support_share = support_share
        self.normalised = normalised
        self.start = start
        self.finish = finish
        self.every = every
        self.held_out = held_out
        self.uses_moments = inner_step == "adam"

    def inserts(self, trainee: Trainee) -> bool:
        return self._phase(trainee.theta.progress) != "before"

    def learns_rtn(self, trainee: Trainee) -> bool:
        return self._phase(trainee.theta.progress) == "meta" and trainee.theta.done % self.every == 0

    def target_rows(self, count: int, batch_size: int, seed: int, steps: int) -> Iterator[list[int]]:
        """See `Method.target_rows`. Raises ConfigError if too few sentences are held out, or left; or steps for φ."""
        phases = [self._phase(step / steps) for step in range(steps)]
        if steps and not any(phases[step] == "meta" for step in range(0, steps, self.every)):
            raise ConfigError(
                [
                    f"start, finish and every: received {self.start}, {self.finish} and {self.every}, which leave none "
                    f"of {steps} steps for the RTN to learn in: less of each, or more steps (epochs, source_size)."
                ]
            )
        if not self.held_out:
            return super().target_rows(count, batch_size, seed, steps)
        size = min(batch_size, count)
        return held_out_batches(count, round(self.held_out * count), size, self._queries(size), phases, seed)

    def step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        if self.learns_rtn(trainee):
            return self._meta_step(trainee, source, target, seed)
        figures = joint_step(trainee, source, target, seed, through_rtn=self.inserts(trainee))
        trainee.phi.skip()
        return figures

    def _phase(self, progress: float) -> Phase:
        return "before" if progress < self.start else "after" if progress >= 1 - self.finish else "meta"

    def _meta_step(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> dict[str, float]:
        halves = self._halves(target)
        problems = self._problems(trainee, source, halves, seed)
        inner_lr = trainee.theta.lr
        with cached_casts(trainee.learner):
            meta = checked(_step(trainee, problems, inner_lr), problems[0], trainee.backend)
        phi = self._meta_gradients(meta, inner_lr)
        useful = _usefulness(trainee, meta)  # before θ's gradient is made of these, in place
        losses = {"inner_loss": meta.inner_loss, "meta_loss": meta.meta_loss}
        if self.order == "published":
            theta = self._with_query(trainee, meta.inner_grads, meta, halves, seed)
            return {**trainee.update(losses, theta, phi, normalised=self.normalised), **useful}
        losses["meta_grad_norm"] = norm = trainee.phi.norm(phi)
        figures = read_figures(losses)
        require_finite(figures)
        with trainee.phi.undone_on_failure():
            trainee.phi.apply(phi, norm, found=figures["meta_grad_norm"], normalised=self.normalised)
            sums = Sums()
            for of_source, support in zip(trainee.pieces(source), trainee.pieces(halves.support), strict=True):
                parts = [
                    trainee.piece_loss(of_source, seed + SOURCE, trainee.rtn_for(of_source.batch)),
                    halves.share * trainee.piece_loss(support, seed + SUPPORT),
                ]
                sums.add({}, gradients(parts, trainee.learner))
            _, (theta,) = sums.total(trainee.processes)
            return {**trainee.update(losses, self._with_query(trainee, theta, meta, halves, seed)), **useful}

    def problem(self, trainee: Trainee, source: Batch, target: Batch, seed: int) -> BilevelProblem:
        """Build the bilevel problem of these batches for the backend."""
        return self._problems(trainee, source, self._halves(target), seed)[0]

    def _problems(self, trainee: Trainee, source: Batch, halves: Halves, seed: int) -> list[BilevelProblem]:
        """One for each piece of the batches that is this process's; the losses of the step are the sums of theirs."""
        inner_update = self._inner_update(trainee)
        parts = zip(*(trainee.pieces(batch) for batch in (source, halves.support, halves.query)), strict=True)
        return [
            BilevelProblem(
                trainee.learner,
                trainee.rtn_for(of_source.batch),
                inner=trainee.piece_of(of_source, differentiated=True),
                support=trainee.piece_of(support, halves.share, differentiated=True),
                query=trainee.piece_of(query),
                seed=seed + PIECE * of_source.number,
                inner_update=inner_update,
            )
            for of_source, support, query in parts
        ]

    def _inner_update(self, trainee: Trainee) -> InnerUpdate:
        update = SGD() if self.inner_step == "sgd" else trainee.theta.inner_update()
        require_inner_update(trainee.backend, update)
        return update

    def _halves(self, target: Batch) -> Halves:
        support, query = split_batch(target, self._support(len(target)))
        return Halves(support, query, 1.0 if self.theta_batch == "support" else support.weight / target.weight)

    def _support(self, count: int) -> int:
        """How many of a target batch are support; with `held_out` its query came on top."""
        if not self.held_out:
            return self._share_of(count)
        return next((size for size in range(1, count) if size + self._queries(size) >= count), count - 1)

    def _queries(self, size: int) -> int:
        return size - self._share_of(size)

    def _share_of(self, size: int) -> int:
        first = math.ceil(self.support_share * size - 0.5)  # of an odd batch's halves, query is the larger
        return max(1, min(first, size - 1))

    def _with_query(self, trainee: Trainee, theta: Gradients, meta: MetaStep, halves: Halves, seed: int) -> Gradients:
        """Add the query half's part of the gradient of the whole target batch, in place."""
        if self.theta_batch == "support":
            return theta
        share = 1 - halves.share
        if self.theta_batch == "lookahead" and meta.query_grads is not None:
            return add_into(theta, meta.query_grads, share)
        sums = Sums()
        for piece in trainee.pieces(halves.query):
            sums.add({}, gradients([trainee.piece_loss(piece, seed + QUERY)], trainee.learner))
        _, (query,) = sums.total(trainee.processes)
        return add_into(theta, query, share)

    def _meta_gradients(self, meta: MetaStep, inner_lr: float) -> Gradients:
        if not self.free_of_lr or inner_lr == 0:
            return meta.meta_grads
        return {name: gradient / inner_lr for name, gradient in meta.meta_grads.items()}


def _step(trainee: Trainee, problems: Sequence[BilevelProblem], inner_lr: float) -> MetaStep:
    if trainee.processes.count * trainee.accumulate == 1:
        return trainee.backend.step(problems[0], inner_lr)
    return trainee.backend.step_in_pieces(problems, inner_lr, trainee.processes.total)


def _usefulness(trainee: Trainee, meta: MetaStep) -> dict[str, float]:
    """The cosine of ∇_θ [L_s + L_support] at θ and ∇ L_query at θ', if it is asked for and the backend has both.

    To first order, a step along the one lowers the query loss by their product. The support's part is common to all
    source languages; the norms keep a language whose losses are large from counting for that. 0 where a gradient is 0.
    Both are totals, so that all processes find the same, and one alone would.
    """
    if not trainee.usefulness or meta.query_grads is None:
        return {}
    return {"usefulness": cosine(meta.inner_grads, meta.query_grads) or 0.0}
