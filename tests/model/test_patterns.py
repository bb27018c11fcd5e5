"""Attention patterns against their definitions, one pair after the other."""

import pytest
import torch

from gptkit.model.attention import View, attend
from gptkit.model.patterns import parse_pattern


def sees(name, sizes, i, j):
    """Whether query i looks at key j, from the papers' sentences."""
    if j > i:
        return False
    if name == "dense":
        return True
    if name == "local":
        return i - j < sizes[0]
    if name == "dilated":
        return i - j < sizes[0] or (i - j) % sizes[1] == 0
    if name == "strided":
        return j in range(max(0, i - sizes[0] + 1), i + 1) or (i - j) % sizes[0] == 0
    block, summary = sizes
    return j // block == i // block or j % block in range(block - summary, block)


PATTERNS = [
    "dense",
    "local:1",
    "local:5",
    "local:99",
    "dilated:3:4",
    "dilated:7:2",
    "strided:4",
    "fixed:6:2",
    "fixed:5:5",
]


@pytest.mark.parametrize("text", PATTERNS)
def test_masks_and_their_sums_are_those_of_the_definitions(text):
    pattern = parse_pattern(text)
    assert str(pattern) == text
    for tokens in (1, 2, 23, 40):
        expected = torch.tensor(
            [[sees(pattern.name, pattern.sizes, i, j) for j in range(tokens)] for i in range(tokens)]
        )
        mask = View(tokens, tokens, torch.device("cpu")).mask(pattern)
        assert torch.equal(mask[0, 0], expected)
        assert pattern.pairs(tokens) == int(expected.sum())


@pytest.mark.parametrize("text", PATTERNS)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_attention_over_a_pattern_is_dense_attention_with_its_mask(text, groups):
    generator = torch.Generator().manual_seed(0)
    pattern = parse_pattern(text)
    queries = torch.randn(2, 4, 7, 8, generator=generator)
    keys, values = torch.randn(2, 2, groups, 30, 8, generator=generator)
    mask = torch.tensor([[sees(pattern.name, pattern.sizes, i, j) for j in range(30)] for i in range(23, 30)])
    wide_keys, wide_values = (each.repeat_interleave(4 // groups, dim=1) for each in (keys, values))
    expected = torch.nn.functional.scaled_dot_product_attention(queries, wide_keys, wide_values, mask)
    found = attend(queries, keys, values, View(7, 30, queries.device), pattern)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    "text", ["", "banded:3", "local", "local:0", "local:3:4", "local:-2", "fixed:4:5", "local:1e3"]
)
def test_what_is_no_pattern_is_refused(text):
    with pytest.raises(ValueError, match=r"pattern|sizes"):
        parse_pattern(text)
