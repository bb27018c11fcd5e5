"""FlexAttention's forward (torch has none backward for processors) against the dense product with a mask."""

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask
from torch.nn.attention.flex_attention import flex_attention as uncompiled

from gptkit.model import attention
from gptkit.model.chunks import product
from gptkit.model.patterns import parse_pattern
from gptkit.model.view import BLOCK, View

PATTERNS = ["dense", "local:50", "dilated:40:16", "strided:32", "fixed:64:8"]


def packed(tokens):
    """Documents of uneven lengths, the first of which fills more than a block."""
    rows = [0] * 200 + [1] * 7 + [2] * tokens, [0] * 3 + [1] * tokens
    return torch.tensor([row[:tokens] for row in rows])


@pytest.mark.parametrize("text", [*PATTERNS, "local:128", "fixed:128:128", "strided:128"])
@pytest.mark.parametrize("tokens", [128, 300, 1000])
@pytest.mark.parametrize("documents", [False, True])
def test_block_masks_are_those_of_torch(text, tokens, documents):
    pattern = parse_pattern(text)
    view = View(tokens, tokens, torch.device("cpu"), documents=packed(tokens) if documents else None)
    mine = view.blocks(pattern, tokens)
    theirs = create_block_mask(mine.mask_mod, 2 if documents else None, None, tokens, tokens, "cpu")
    assert torch.equal(mine.to_dense(), theirs.to_dense())
    assert mine.shape == theirs.shape
    # blocks that are seen as a whole are not masked place by place, as far as documents show it
    fulls = mine.full_kv_num_blocks, theirs.full_kv_num_blocks
    assert torch.equal(*fulls) if not documents else (fulls[0] <= fulls[1]).all()


def check(text, view, sinks=None):
    """FlexAttention's sums are those of the product; four heads share two of keys."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 4, view.new, 16, generator=generator)
    keys, values = torch.randn(2, 2, 2, view.new, 16, generator=generator)
    pattern = parse_pattern(text)
    with torch.no_grad():
        found = attention.flex_attention(queries, keys, values, view, pattern, sinks)
    beside = None if sinks is None else sinks.view(1, 4, 1, 1).expand(2, -1, view.new, 1)
    expected, _ = product(queries, keys, values, view.mask(pattern), beside=beside)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize(("documents", "tokens"), [(False, 256), (True, 300)])
def test_it_is_the_dense_product_with_its_mask(text, documents, tokens):
    check(text, View(tokens, tokens, torch.device("cpu"), documents=packed(tokens) if documents else None))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("text", PATTERNS)
def test_a_sink_takes_its_part_of_the_softmax(text, monkeypatch):
    # compiled for a processor it does not give the sum of the softmax; uncompiled it does
    monkeypatch.setattr(attention, "_flex", lambda: uncompiled)
    view = View(300, 300, torch.device("cpu"), documents=packed(300))
    check(text, view, torch.randn(4, generator=torch.Generator().manual_seed(1)))


@pytest.mark.slow
def test_lengths_share_a_compilation():
    torch._dynamo.reset()
    pattern, compiled = parse_pattern("local:50"), torch._dynamo.utils.counters
    generator = torch.Generator().manual_seed(0)
    counts = []
    for tokens in (BLOCK + 1, 150, 200, 2 * BLOCK, 255):
        queries, keys, values = torch.randn(3, 1, 2, tokens, 16, generator=generator)
        with torch.no_grad():
            attention.flex_attention(queries, keys, values, View(tokens, tokens, queries.device), pattern, None)
        counts.append(compiled["stats"]["unique_graphs"])
    assert len(set(counts)) == 1
