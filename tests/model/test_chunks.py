"""Attention in chunks, and its columns and summaries, against one dense product with a mask."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.model import chunks
from gptkit.model.attention import attend
from gptkit.model.cache import Cache
from gptkit.model.config import ModelConfig
from gptkit.model.patterns import parse_pattern
from gptkit.model.transformer import Transformer
from gptkit.model.view import View

PATTERNS = ["dense", "local:1", "local:50", "local:300", "dilated:40:16", "dilated:5:9", "dilated:9:2"]
PATTERNS += ["strided:32", "strided:300", "fixed:16:3", "fixed:100:7", "fixed:200:200"]


@pytest.fixture(autouse=True, scope="module")
def columns():
    """Columns at lengths that a test has time for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "COLUMNS", 256)
        yield


def reference(queries, keys, values, view, pattern, sinks):
    """Softmax of the whole matrix of scores in the papers' order, without any grouping."""
    wide = queries.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(wide, dim=1), values.repeat_interleave(wide, dim=1)
    scores = (queries @ keys.mT) * queries.shape[-1] ** -0.5
    scores = scores.masked_fill(~view.mask(pattern, view.keys - keys.shape[2]), -torch.inf)
    if sinks is not None:
        scores = torch.cat([scores, sinks[None, :, None, None].expand(*scores.shape[:3], 1)], dim=-1)
    return scores.softmax(dim=-1)[..., : keys.shape[2]] @ values


def case(new, keys, groups, dtype=torch.float32, batch=2):
    """Queries, keys and values."""
    generator = torch.Generator().manual_seed(new)
    shapes = (batch, 4, new, 8), (batch, groups, keys, 8), (batch, groups, keys, 8)
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def compare(found, expected, inputs, tolerance):
    """Both, and their gradients."""
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(expected.dtype)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    for mine, theirs in zip(
        torch.autograd.grad(found, inputs, direction, retain_graph=True),
        torch.autograd.grad(expected, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize(
    ("new", "groups", "packed", "with_sinks"),
    [(257, 4, False, False), (384, 2, True, False), (450, 1, False, True), (600, 2, True, True)],
)
def test_it_is_the_dense_product_with_its_mask(text, new, groups, packed, with_sinks):
    inputs = case(new, new, groups)
    documents = torch.randint(0, 2, (2, new), generator=torch.Generator().manual_seed(2)).cumsum(dim=1) // 40
    sinks = torch.randn(4, requires_grad=True) if with_sinks else None
    pattern = parse_pattern(text)
    view = View(new, new, inputs[0].device, documents=documents if packed else None)
    found = attend(*inputs, view, pattern, sinks=sinks)
    everything = [*inputs, sinks] if with_sinks else inputs
    compare(found, reference(*inputs, view, pattern, sinks), everything, 1e-5)


@pytest.mark.parametrize("text", PATTERNS)
def test_bf16_is_as_near_as_one_product_is(text):
    inputs, pattern = case(400, 400, 2, torch.bfloat16), parse_pattern(text)
    view = View(400, 400, inputs[0].device)
    compare(attend(*inputs, view, pattern), reference(*inputs, view, pattern, None), inputs, 4e-2)


@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize("padded", [False, True])
def test_tokens_that_follow_a_cache_and_padded_rows(text, padded):
    pattern = parse_pattern(text)
    for past in (0, 203):
        inputs = case(400, 400 + past, 2)
        view = View(400, 400 + past, inputs[0].device, starts=torch.tensor([0, 317]) if padded else None)
        compare(attend(*inputs, view, pattern), reference(*inputs, view, pattern, None), inputs, 1e-5)


@settings(max_examples=40)
@given(st.integers(256, 600), st.integers(1, 300), st.integers(1, 200), st.sampled_from(["local", "dilated", "fixed"]))
def test_any_sizes(new, first, second, name):
    sizes = {"local": [first], "dilated": [first, second], "fixed": [max(first, second), min(first, second)]}[name]
    pattern = parse_pattern(":".join(map(str, [name, *sizes])))
    inputs = [each.detach() for each in case(new, new, 2, batch=1)]
    view = View(new, new, inputs[0].device)
    found, expected = attend(*inputs, view, pattern), reference(*inputs, view, pattern, None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("text", PATTERNS)
def test_dropout_drops_a_share_of_the_weights_everywhere(text):
    queries, keys, _ = (each.detach() for each in case(500, 500, 4))
    pattern = parse_pattern(text)
    # each value stands for its place: what comes out are the weights
    values = torch.eye(500).expand(2, 4, -1, -1)
    view = View(500, 500, queries.device)
    torch.manual_seed(0)
    kept = attend(queries, keys, values, view, pattern)
    dropped = attend(queries, keys, values, view, pattern, dropout=0.25)
    seen = view.mask(pattern).expand_as(kept)
    assert not dropped[~seen].any()
    torch.testing.assert_close(dropped[dropped != 0], (kept / 0.75)[dropped != 0])
    share = (dropped[seen] == 0).float().mean()
    assert abs(share - 0.25) < 0.01


@pytest.mark.parametrize("attention", [("local:40", "dense"), ("fixed:64:4",), ("strided:16", "local:200")])
def test_a_model_gives_the_same_logits_in_one_piece_and_in_several(attention, monkeypatch):
    config = ModelConfig(50, 700, 2, 4, 32, kv_heads=2, positions="rope", attention=attention, sinks=True)
    model = Transformer(config, seed=3).eval()
    ids = torch.randint(50, (2, 700), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = model(ids)
        cache = Cache(config)
        parts = torch.cat([model(part, cache) for part in ids.split([5, 560, 1, 134], dim=1)], dim=1)
        monkeypatch.setattr(chunks, "SHORT", 10_000)
        expected = model(ids)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(parts, expected, atol=1e-5, rtol=1e-5)


def test_norms_of_heads_leave_one_dtype_and_no_warning(recwarn):
    config = ModelConfig(50, 64, 1, 4, 32, positions="rope", norm="rms", qk_norm=True, sinks=True)
    model = Transformer(config)
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = model.train_hidden(torch.arange(48)[None])
    hidden.sum().backward()
    assert model.blocks[0].attention.query_norm.weight.grad.any()
    assert not [warning for warning in recwarn if "dtype" in str(warning.message)]
