import pytest
import torch
from torch.nn import functional

from gptkit.training import activations
from gptkit.training.loss import linear_cross_entropy, token_nats


@pytest.fixture(params=[1, 70_000], ids=["64 rows at once", "all rows at once"])
def _rows(request, monkeypatch):
    monkeypatch.setattr(activations, "ROWS", 64)
    monkeypatch.setattr(activations, "CPU_LOGITS", request.param)


def example(rows=150, width=16, vocabulary=300):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=generator, requires_grad=True)
    return hidden, weight, torch.randint(vocabulary, (rows,), generator=generator)


@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_loss_and_gradients_are_those_of_torch(dtype, tolerance):
    hidden, weight, targets = example()
    expected = functional.cross_entropy(hidden @ weight.t(), targets)
    wanted = torch.autograd.grad(3 * expected, (hidden, weight))
    found = linear_cross_entropy(hidden, weight, targets, dtype)
    gradients = torch.autograd.grad(3 * found, (hidden, weight))
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=0)
    for gradient, other in zip(gradients, wanted, strict=True):
        assert (gradient - other).norm() < tolerance * other.norm()


@pytest.mark.usefixtures("_rows")
def test_nats_of_each_token_are_those_of_torch():
    hidden, weight, targets = example()
    expected = functional.cross_entropy(hidden @ weight.t(), targets, reduction="none")
    torch.testing.assert_close(token_nats(hidden, weight, targets, torch.float32), expected.detach())
