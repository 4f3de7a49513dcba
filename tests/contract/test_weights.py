"""An RTN that weighs source losses: exact in every backend, and what Meta-Weight-Net defines (Shu et al. 2019)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xltransfer.backends.base import BilevelProblem
from xltransfer.backends.fd import FiniteDifferences
from xltransfer.backends.func import Func
from xltransfer.encoders.learner import Learner, source_loss
from xltransfer.registry import BACKENDS
from xltransfer.rtns.base import RTN, RTNInfo
from xltransfer.rtns.changes import Changes
from xltransfer.rtns.weights import Weights
from xltransfer.testing import check_rtn, small_problem
from xltransfer.testing.models import HIDDEN, LABELS, small_model
from xltransfer.testing.problems import INNER_LR, brute_force_slope, flat, relative_error, small_inputs, small_rtn
from xltransfer.utils.parameters import Gradients, named_gradients, trainable

HARD = {"by": "both", "inner": "mlp"}
STEPS: list[tuple[str, dict[str, Any]]] = [
    ("func", {"inner_steps": 2}),
    ("func", {"mode": "forward", "inner_steps": 2}),
    ("higher", {"inner_steps": 2}),
    ("learn2learn", {"inner_steps": 2}),
]
KINDS = [(by, level, auto) for by in ("loss", "features", "both")
         for level, auto in (("token", "Token"), ("sentence", "Token"), ("token", "Sequence"))]  # fmt: skip


@pytest.mark.parametrize("auto", ["Token", "Sequence"])
@pytest.mark.parametrize("backend, options", STEPS)
def test_two_inner_steps_at_two_layers_against_brute_force(backend: str, options: dict[str, Any], auto: str) -> None:
    """The weights' inputs depend on φ through the RTN's changes at both layers, and through θ."""
    problem = small_problem("weights", (1, 2), auto=auto, rtn_options=HARD)
    computed = BACKENDS.load(backend)(**options).step(problem, INNER_LR).meta_grads
    generator = torch.Generator().manual_seed(3)
    direction = {
        name: torch.randn(value.shape, generator=generator, dtype=value.dtype) + 3 * value / flat(computed).norm()
        for name, value in computed.items()
    }
    wanted = brute_force_slope(problem, direction, inner_steps=2)
    assert (flat(computed) @ flat(direction)).item() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("by, level, auto", KINDS)
def test_backends_agree(by: str, level: str, auto: str) -> None:
    problem = small_problem("weights", (1, 2), auto=auto, rtn_options={"by": by, "level": level, "inner": "mlp"})
    exact = Func().step(problem, INNER_LR)
    for name, options in (("func", {"mode": "forward"}), ("higher", {}), ("learn2learn", {})):
        found = BACKENDS.load(name)(**options).step(problem, INNER_LR)
        assert relative_error(found.meta_grads, exact.meta_grads) <= 1e-9
        assert relative_error(found.inner_grads, exact.inner_grads) <= 1e-9
    assert relative_error(FiniteDifferences().step(problem, INNER_LR).meta_grads, exact.meta_grads) <= 1e-6
    one_sided = FiniteDifferences(scheme="one-sided").step(problem, INNER_LR).meta_grads
    assert relative_error(one_sided, exact.meta_grads) <= 1e-3


def test_the_first_order_backend_is_exact_where_the_last_layer_is_all_that_learns() -> None:
    problem = small_problem("weights", (1, 2), rtn_options=HARD)
    for name, parameter in problem.learner.named_parameters():
        parameter.requires_grad_("classifier" in name)
    found, exact = (BACKENDS.load(name)().step(problem, INNER_LR).meta_grads for name in ("first-order", "func"))
    assert relative_error(found, exact) <= 1e-12


@pytest.mark.parametrize("options", [{}, {"mode": "forward"}, {"inner_steps": 2}], ids=str)
def test_recomputed_activations_change_nothing(options: dict[str, Any]) -> None:
    problem, backend = small_problem("weights", (1,), rtn_options=HARD), Func(**options)
    kept = backend.step(problem, INNER_LR).meta_grads
    problem.learner.recompute = True  # type: ignore[assignment]
    assert relative_error(backend.step(problem, INNER_LR).meta_grads, kept) <= 1e-12


@pytest.mark.parametrize("blind", ["losses", "hidden"])
def test_planted_weights_whose_input_is_detached_are_caught(blind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `.data` does in the released Meta-Weight-Net; there nothing leads below it."""
    right = Changes._led_on

    def wrong(self: Changes, value: Tensor) -> Tensor:
        is_losses = value.shape[-1] != HIDDEN
        return value.detach() if is_losses == (blind == "losses") else right(self, value)

    monkeypatch.setattr(Changes, "_led_on", wrong)
    with pytest.raises(AssertionError, match="meta_gradient_equals_brute_force"):
        check_rtn("weights", **{**HARD, "inner.init": "released"})


class Planted(RTN):
    """Weights with a fault; no change."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return torch.zeros_like(hidden)


class NormalisedInTheBatch(Planted):
    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        weights = (self.scale * losses).sigmoid() * labelled
        return weights / weights.sum() * labelled.sum()


class LooksAtPadding(Planted):
    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        mean = (self.scale * hidden.mean((1, 2))).sigmoid()
        return mean.view(-1, *[1] * (losses.dim() - 1)).expand(losses.shape)


class OneForEachSentence(Planted):
    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return self.scale.expand(len(losses))


@pytest.mark.parametrize(
    "bug, message",
    [
        (NormalisedInTheBatch, "with another sentence"),
        (LooksAtPadding, "what the padding holds"),
        (OneForEachSentence, r"weights of shape \(3,\), not \(3, 7\)"),
    ],
)
def test_planted_in_weights(bug: type[RTN], message: str) -> None:
    with pytest.raises(AssertionError, match=f"weights_fit_the_losses: .*{message}"):
        check_rtn(bug)


class OneParameter(Planted):
    """w = 2 · sigmoid(a · loss)."""

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return 2 * (self.scale * losses).sigmoid()


class OneEach(Planted):
    """w_i = 2 · sigmoid(p_i), for a batch of five."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.scale = nn.Parameter(torch.linspace(-1, 1, 5))

    def weights(self, losses: Tensor, labelled: Tensor, hidden: Tensor, mask: Tensor, layer: int) -> Tensor:
        return 2 * self.scale.sigmoid()


def cross_entropy_by_hand(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.logsumexp(1) - logits.gather(1, labels[:, None]).squeeze(1)


class Texts:
    """Five labelled source texts, a query, no support, no dropout, and the gradient of each text's loss by itself."""

    def __init__(self, rtn: RTN) -> None:
        torch.manual_seed(6)
        model = small_model("xlm-roberta", "AutoModelForSequenceClassification").double()
        self.learner = Learner(model, (1,)).eval()
        self.rtn = rtn.double()
        self.source, self.query = small_inputs(5), small_inputs(5)
        self.labels, self.query_labels = torch.randint(0, LABELS, (5,)), torch.zeros(5, dtype=torch.long)
        self.problem = BilevelProblem(
            self.learner,
            self.rtn,
            inner=lambda theta, phi: source_loss(theta, phi, self.source, torch.sum, self.losses),
            support=lambda theta: 0 * theta(self.query).sum(),
            query=self.query_loss,
        )

    def losses(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """−log p(label) of the source texts, by hand, and that each has a label."""
        return cross_entropy_by_hand(logits, self.labels), torch.ones(5, dtype=torch.bool)

    def query_loss(self, learner: Any) -> Tensor:
        """The query's mean loss."""
        return cross_entropy_by_hand(learner(self.query), self.query_labels).mean()

    def losses_and_gradients(self) -> tuple[Tensor, list[Gradients]]:
        """ℓ_i and g_i = ∇_θ ℓ_i, a pass and a backward for each text."""
        losses, gradients = [], []
        for row in range(5):
            loss = self.losses(self.learner(self.source))[0][row]
            losses.append(loss.detach())
            gradients.append(self.gradient(self.learner, loss))
        return torch.stack(losses), gradients

    def query_gradient(self, weights: Tensor, gradients: list[Gradients]) -> Gradients:
        """v = ∇ L_query at θ' = θ − η/n Σ w_i g_i."""
        stepped = copy.deepcopy(self.learner)
        with torch.no_grad():
            for name, parameter in trainable(stepped).items():
                for weight, gradient in zip(weights, gradients, strict=True):
                    parameter.sub_(INNER_LR / 5 * weight * gradient[name])
        return self.gradient(stepped, self.query_loss(stepped))

    @staticmethod
    def gradient(learner: nn.Module, loss: Tensor) -> Gradients:
        parameters = trainable(learner)
        return named_gradients(parameters, torch.autograd.grad(loss, list(parameters.values()), allow_unused=True))


@pytest.mark.parametrize("name", ["func", "higher", "learn2learn"])
def test_the_meta_gradient_of_one_parameter_in_closed_form(name: str) -> None:
    """dL_query/da = −η/n Σ ⟨g_i, v⟩ dw_i/da, with dw_i/da = 2 σ(aℓ_i) (1 − σ(aℓ_i)) ℓ_i."""
    texts = Texts(OneParameter(HIDDEN))
    losses, gradients = texts.losses_and_gradients()
    share = losses.sigmoid()  # a = 1
    v = flat(texts.query_gradient(2 * share, gradients))
    agreement = torch.stack([flat(gradient) @ v for gradient in gradients])
    wanted = -INNER_LR / 5 * (agreement * 2 * share * (1 - share) * losses).sum()
    found = BACKENDS.load(name)().step(texts.problem, INNER_LR).meta_grads["scale"]
    assert found.item() == pytest.approx(wanted.item(), rel=1e-9)


def test_weights_rise_of_texts_whose_gradient_agrees_with_the_query_and_fall_of_others() -> None:
    texts = Texts(OneEach(HIDDEN))
    _, gradients = texts.losses_and_gradients()
    share = texts.rtn.get_parameter("scale").detach().sigmoid()
    v = flat(texts.query_gradient(2 * share, gradients))
    agreement = torch.stack([flat(gradient) @ v for gradient in gradients])
    assert 0 < (agreement > 0).sum() < 5
    found = Func().step(texts.problem, INNER_LR).meta_grads["scale"]
    wanted = -INNER_LR / 5 * agreement * 2 * share * (1 - share)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=0)
    risen = 2 * (texts.rtn.get_parameter("scale") - found).sigmoid() > 2 * share
    assert torch.equal(risen, agreement > 0)


@pytest.mark.parametrize("level", ["token", "sentence"])
@pytest.mark.parametrize("by", ["loss", "features", "both"])
def test_the_weights_by_hand(by: str, level: str) -> None:
    """2 σ(W₂ gelu(W₁ x + b₁) + b₂) sentence by sentence, token by token."""
    rtn: Any = small_rtn("weights", (1,), small_model("xlm-roberta"), by=by, level=level, width=4)
    hidden, mask = torch.randn(2, 3, HIDDEN, dtype=torch.float64), torch.tensor([[1, 1, 1], [1, 1, 0]])
    labelled = torch.tensor([[True, False, True], [False, True, False]])
    losses = torch.rand(2, 3, dtype=torch.float64) * labelled
    first, _, last = rtn.net

    def weight(loss: Tensor, states: Tensor) -> Tensor:
        x = {"loss": loss[None], "features": states, "both": torch.cat([states, loss[None]])}[by]
        middle = first.weight @ x + first.bias
        middle = middle * (1 + torch.erf(middle / 2**0.5)) / 2
        return 2 / (1 + torch.exp(-(last.weight @ middle + last.bias)[0]))

    tagging, text = (
        rtn.weights(losses, labelled, hidden, mask, 1),
        rtn.weights(losses[:, 0], mask[:, 0], hidden, mask, 1),
    )
    for row in range(2):
        mean = hidden[row, mask[row].bool()].mean(0)
        torch.testing.assert_close(text[row], weight(losses[row, 0], mean), rtol=1e-12, atol=0)
        for time in range(3):
            seen = (losses[row, time], hidden[row, time])
            if level == "sentence":
                seen = (losses[row, labelled[row]].mean(), mean)
            torch.testing.assert_close(tagging[row, time], weight(*seen), rtol=1e-12, atol=0)


def test_training_starts_with_weights_of_one_in_fp32() -> None:
    rtn = Weights.build(RTNInfo(HIDDEN, (1,), ("a",), None), by="both")
    with torch.autocast("cpu", torch.bfloat16):
        weights = rtn.weights(torch.rand(2, 3), torch.ones(2, 3) > 0, torch.randn(2, 3, HIDDEN).bfloat16(),
                              torch.ones(2, 3), 1)  # fmt: skip
    assert weights is not None
    assert weights.dtype == torch.float32
    assert torch.equal(weights, torch.ones(2, 3))


def test_every_language_has_weights_of_its_own() -> None:
    rtn = small_rtn("per-language", (1,), small_model("xlm-roberta"), inner="weights", **{"inner.by": "both"})
    rtn = rtn.for_batch(torch.tensor([0, 1, 0]))
    hidden, mask, losses = torch.randn(3, 4, HIDDEN).double(), torch.ones(3, 4), torch.rand(3, 4).double()
    together = rtn.weights(losses, losses > 0, hidden, mask, 1)
    assert together is not None
    for row, language in enumerate((0, 1, 0)):
        network: Any = rtn.get_submodule(f"networks.{language}")
        own = network.weights(losses[row : row + 1], losses[row : row + 1] > 0, hidden[row : row + 1], mask[:1], 1)
        torch.testing.assert_close(together[row : row + 1], own, rtol=1e-12, atol=0)
    with pytest.raises(RuntimeError, match="call for_batch first"):
        small_rtn("per-language", (1,), small_model("xlm-roberta"), inner="weights").weights(
            losses, losses > 0, hidden, mask, 1
        )


def test_the_batchs_languages_and_the_mixture_reach_the_rtn_inside() -> None:
    model = small_model("xlm-roberta")
    rtn = small_rtn("weights", (1,), model, inner="per-language")
    hidden, mask = torch.randn(2, 4, HIDDEN).double(), torch.ones(2, 4)
    one, other = (rtn.for_batch(torch.tensor(rows))(hidden, mask, 1) for rows in ([0, 1], [1, 0]))
    assert not torch.equal(one, other)
    with pytest.raises(RuntimeError, match="call for_batch first"):
        rtn(hidden, mask, 1)  # the RTN itself is bound to none
    mixed = small_rtn("weights", (0, 2), model, inner="multi", **{"inner.mix": "softmax"}).mix()
    assert mixed is not None
    assert mixed.shape == (2,)
    gates = small_rtn("weights", (1,), model, inner="mlp").gate_values(hidden, mask, 1)
    assert gates is not None


@pytest.mark.parametrize(
    "rtn, options, message",
    [
        ("weights", {"width": 0}, "width: received 0; allowed: 1 or more"),
        ("weights", {"inner": "weights"}, "inner: received 'weights', which weighs too"),
        (
            "weights",
            {"inner": "per-language", "inner.inner": "weights"},
            "inner: received 'per-language', which weighs",
        ),
        ("multi", {"inner": "weights"}, "allowed: mix=softmax, or one for all: --rtn weights --rtn-opt inner=multi"),
        ("per-language", {"inner": "weights", "inner.inner": "multi"}, "allowed: an RTN that holds no others"),
    ],
)
def test_what_cannot_be_nested_is_refused(rtn: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_problem(rtn, (0, 2), rtn_options=options)


def test_a_source_loss_without_losses_is_told_of() -> None:
    problem = small_problem("weights")
    with pytest.raises(ValueError, match="needs the loss of each label"):
        source_loss(problem.learner, problem.rtn, small_inputs(), torch.sum)
