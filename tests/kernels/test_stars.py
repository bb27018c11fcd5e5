import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptkit.dedup.curve import choose
from gptkit.kernels import stars
from gptkit.kernels.jaccard import LONG, distinct
from gptkit.kernels.minhash import permutations, signatures

NONE = np.empty((0, 4), np.uint32)


def jaccard(one, other):
    return len(one & other) / (len(one | other) or 1)  # two empty sets count as unlike


def table(sets):
    starts = np.cumsum([0, *map(len, sets)])
    return np.array([value for found in sets for value in sorted(found)], np.uint64), starts


def resolve(sets, bounds, pinned, threshold):
    content, starts = table(sets)
    whole = np.array(bounds, np.int64), np.array(pinned, bool), np.full(len(sets), -1), NONE
    kept, similarity = stars.resolve(content, starts, *whole, *permutations(4, 1), threshold)
    return kept.tolist(), similarity


def expected(sets, bounds, pinned, threshold):
    """What `resolve` does, member by member."""
    kept, similarity = [], []
    for low, high in itertools.pairwise(bounds):
        stay = []
        for member in range(low, high):
            near = (other for other in stay if jaccard(sets[member], sets[other]) >= threshold)
            first = None if pinned[member] else next(near, None)
            kept.append(member if first is None else first)
            similarity.append(1 if first is None else jaccard(sets[member], sets[first]))
            if first is None:
                stay.append(member)
    return kept, similarity


SET = st.frozensets(st.integers(0, 8), min_size=1)


@given(st.lists(SET, max_size=12), st.data(), st.sampled_from([0.1, 1 / 3, 0.5, 2 / 3, 0.7, 0.75, 0.8, 1.0]))
def test_each_goes_to_the_first_kept_one_that_is_similar_enough(sets, data, threshold):
    inner = data.draw(st.sets(st.integers(0, len(sets))))
    bounds = sorted({0, len(sets), *inner})
    pinned = []
    for low, high in itertools.pairwise(bounds):  # those that stay come first in their component
        count = data.draw(st.integers(0, high - low))
        pinned += [True] * count + [False] * (high - low - count)
    kept, similarity = resolve(sets, bounds, pinned, threshold)
    expected_kept, expected_similarity = expected(sets, bounds, pinned, threshold)
    assert kept == expected_kept
    assert similarity.dtype == np.float64
    assert similarity == pytest.approx(expected_similarity, abs=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 30, 33, 3000, 30_000])
@pytest.mark.parametrize(("common", "all_"), [(1, 2), (2, 3), (3, 4), (4, 5), (7, 10), (19, 20)])
def test_a_similarity_of_exactly_the_threshold_is_enough(size, common, all_):
    union = size * all_
    one, other = set(range(union - (union - size * common) // 2)), set(range(size * common))
    other |= set(range(len(one), union))
    assert jaccard(one, other) == common / all_
    assert resolve([one, other], [0, 2], [False] * 2, common / all_)[0] == [0, 0]
    assert resolve([one, other], [0, 2], [False] * 2, np.nextafter(common / all_, 1))[0] == [0, 1]
    others = [{union + member} for member in range(stars.FEW + 1)]  # now pairs are filtered
    bounds, pinned, low = [0, len(others) + 2], [False] * (len(others) + 2), len(others)
    assert resolve([*others, one, other], bounds, pinned, common / all_)[0][low:] == [low, low]
    assert resolve([*others, one, other], bounds, pinned, np.nextafter(common / all_, 1))[0][low:] == [low, low + 1]


def pages(generator, members, size):
    """Small sets: most take most of one of a few templates, and a few elements of their own or of a small pool."""
    templates = [range(100 * place, 100 * place + generator.randint(1, size)) for place in range(4)]
    sets = []
    for _ in range(members):
        template = generator.choice(templates)
        taken = generator.sample(template, generator.randint(len(template) // 2, len(template)))
        pool = range(1000, generator.choice([1000 + size, 10**6]))
        sets.append(frozenset(taken) | set(generator.sample(pool, generator.randint(0, size // 2))))
    return sets


SPREADS = [1, 1 << 32, 0x9E3779B97F4A7C15]  # values differ in their low bits, in the high ones, in all


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.integers(100, 300), st.integers(2, 40), st.sampled_from(SPREADS), st.booleans())
@pytest.mark.parametrize("threshold", [0.1, 0.5, 2 / 3, 0.719, 1.0])
def test_components_that_keep_many_are_resolved_as_exactly(threshold, seed, members, size, spread, some_pinned):
    generator = random.Random(seed)
    sets = [{value * spread % 2**64 for value in found} for found in pages(generator, members, size)]
    count = generator.randint(0, 50) if some_pinned else 0
    bounds = [0, 3, members] if count < 3 else [0, members]
    pinned = [place < count for place in range(members)]
    kept, similarity = resolve(sets, bounds, pinned, threshold)
    expected_kept, expected_similarity = expected(sets, bounds, pinned, threshold)
    assert kept == expected_kept
    assert (similarity == np.array(expected_similarity)).all()


def test_members_of_an_index_are_compared_by_their_signatures():
    a, b = permutations(64, 1)
    one = set(range(1000, 1100))
    content, starts = table([set(), one, one | {1}, set(range(50))])  # the first is known by its signature alone
    rows = signatures(np.array(sorted(one), np.uint64), np.array([0, 100]), a, b)
    indexed = np.array([0, -1, -1, -1])
    pinned = np.array([True, False, False, False])
    kept, similarity = stars.resolve(content, starts, np.array([0, 4]), pinned, indexed, rows, a, b, 0.8)
    assert kept.tolist() == [0, 0, 0, 3]
    assert similarity[1] == 1
    assert 0.8 <= similarity[2] <= 1
    assert similarity[2] * 64 % 1 == 0
    kept, similarity = stars.resolve_large(content, starts, pinned, indexed, rows, a, b, 0.8, 16, 4)
    assert kept.tolist() == [0, 0, 0, 3]


def test_members_of_an_index_are_compared_with_all_in_components_that_keep_many():
    a, b = permutations(64, 1)
    known, later = set(range(1000, 1100)), set(range(2000, 2100))
    others = [set(range(100 * k, 100 * k + 50)) for k in range(stars.FEW + 1)]
    sets = [set(), set(), *others, known, later, known | {1}, later | {1}, set()]
    content, starts = table(sets)
    members, low = len(sets), 2 + len(others)
    unrelated = set(range(5000, 5100))
    rows = signatures(np.array(sorted(unrelated) + sorted(known), np.uint64), np.array([0, 100, 200]), a, b)
    indexed = np.full(members, -1)
    indexed[:2] = [0, 1]
    pinned = np.arange(members) < 2
    kept, similarity = stars.resolve(content, starts, np.array([0, members]), pinned, indexed, rows, a, b, 0.8)
    assert kept[:low].tolist() == list(range(low))
    assert kept[low:].tolist() == [1, low + 1, 1, low + 1, low + 4]
    assert similarity[low] == 1
    assert 0.8 <= similarity[low + 2] <= 1
    assert similarity[low + 3] == pytest.approx(100 / 101)


def cluster(generator, members, spread, size=120):
    """Sets around a few centres: each has some elements replaced."""
    centres = [[generator.randrange(1 << 60) for _ in range(size)] for _ in range(spread)]
    return [
        {generator.randrange(1 << 60) if generator.random() < 0.05 else value for value in generator.choice(centres)}
        for _ in range(members)
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("threshold", [0.7, 0.85])
def test_large_components_keep_the_promise_and_find_nearly_all(seed, threshold):
    generator = random.Random(seed)
    sets = cluster(generator, 400, 20)
    content, starts = table(sets)
    bands, rows = choose(threshold, recall=0.98)
    common = np.full(len(sets), -1), NONE, *permutations(bands * rows, 1), threshold
    pinned = np.arange(len(sets)) < 3
    found, similarity = stars.resolve_large(content, starts, pinned, *common, bands, rows)
    for member, other in enumerate(found.tolist()):
        if other == member:
            assert similarity[member] == 1
        else:
            assert other < member
            assert found[other] == other  # what is named stays
            assert not pinned[member]
            assert jaccard(sets[member], sets[other]) >= threshold
            assert similarity[member] == pytest.approx(jaccard(sets[member], sets[other]), abs=1e-6)
    exact, _ = stars.resolve(content, starts, np.array([0, len(sets)]), pinned, *common)
    gone, exactly_gone = (kept != np.arange(len(sets)) for kept in (found, exact))
    assert gone.sum() >= 0.97 * exactly_gone.sum()


def test_large_components_are_left_to_the_one_that_is_made_for_them():
    content, starts = table([{1, 2, 3}] * (stars.LARGE + 1) + [{4, 5}] * 2)
    members = stars.LARGE + 3
    bounds = np.array([0, stars.LARGE + 1, members])
    kept, _ = stars.resolve(
        content, starts, bounds, np.zeros(members, bool), np.full(members, -1), NONE, *permutations(4, 1), 0.5
    )
    assert (kept[: stars.LARGE + 1] == -1).all()
    assert kept[stars.LARGE + 1 :].tolist() == [stars.LARGE + 1] * 2


def test_a_large_component_of_one_text_goes_for_the_first():
    content, starts = table([{1, 2, 3}] * 20_000)
    common = np.zeros(20_000, bool), np.full(20_000, -1), NONE
    kept, _ = stars.resolve_large(content, starts, *common, *permutations(8, 1), 0.9, 4, 2)
    assert (kept == 0).all()


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=8), max_size=8))
def test_distinct_gives_each_documents_set_in_ascending_order(documents):
    hashes = np.array([value for document in documents for value in document], np.uint64)
    found, starts = distinct(hashes, np.cumsum([0, *map(len, documents)]))
    parts = [found[low:high].tolist() for low, high in itertools.pairwise(starts)]
    assert parts == [sorted(set(document)) for document in documents]


def test_distinct_sorts_long_documents_like_short_ones():
    generator = np.random.default_rng(1)
    lengths = [0, 1, LONG - 1, LONG, 0, LONG + 1, 5000, 2]
    documents = [generator.integers(0, 2**63 if place % 2 else 50, length) for place, length in enumerate(lengths)]
    found, starts = distinct(np.concatenate(documents).astype(np.uint64), np.cumsum([0, *lengths]))
    for document, part in zip(documents, np.split(found, starts[1:-1]), strict=True):
        assert part.tolist() == np.unique(document).tolist()
