import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gptkit.kernels.clusters import band_records, forest, join_equal
from gptkit.kernels.sorting import sort_records

NODE = st.integers(0, 12).map(lambda node: node * 1_000_000_007)  # numbers of nodes may be far apart


def components(edges, nodes):
    """The least node of each node's component, by scipy."""
    places = np.searchsorted(nodes, edges)
    graph = coo_array((np.ones(len(edges)), (places[:, 0], places[:, 1])), shape=(len(nodes), len(nodes)))
    count, labels = connected_components(graph, directed=False)
    least = np.array([nodes[labels == label].min() for label in range(count)], np.int64)
    return dict(zip(nodes.tolist(), least[labels].tolist(), strict=True))


@given(st.lists(st.tuples(NODE, NODE), max_size=30))
@example([])
@example([(4, 4)])
def test_a_forest_has_the_components_and_names_each_by_its_least_node(pairs):
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    expected = components(edges, np.unique(edges)) if pairs else {}
    found = forest(edges)
    assert found.shape == (len(found), 2)
    assert found.tolist() == [[node, least] for node, least in sorted(expected.items()) if node != least]


@given(st.lists(st.tuples(NODE, NODE), max_size=30), st.integers(1, 4))
def test_forests_of_parts_make_the_forest_of_the_whole(pairs, parts):
    edges = np.array(pairs, np.int64).reshape(-1, 2)
    together = np.concatenate([forest(edges[part::parts]) for part in range(parts)])
    assert forest(together).tolist() == forest(edges).tolist()


def test_a_long_chain_and_a_large_star():
    chain = np.stack([np.arange(1, 200_000), np.arange(199_999)], axis=1)
    for edges in (chain, chain[::-1], np.stack([np.full(199_999, 199_999), np.arange(199_999)], axis=1)):
        assert (forest(edges) == np.stack([np.arange(1, 200_000), np.zeros(199_999)], axis=1)).all()


@given(st.lists(st.integers(0, 4), max_size=25), st.sets(st.integers(0, 24)))
def test_nodes_of_equal_key_are_joined_but_those_that_are_gone(values, missing):
    nodes = np.arange(len(values))
    keys, nodes = sort_records(np.array(values, np.uint64), nodes)
    gone = np.isin(np.arange(len(values)), list(missing))
    edges = join_equal(keys, nodes, gone)
    expected = {
        tuple(node for node, value in enumerate(values) if value == key and not gone[node]) for key in set(values)
    }
    found = {}
    for node, least in forest(edges).tolist():
        found.setdefault(least, {least}).add(node)
    assert {tuple(sorted(nodes)) for nodes in found.values()} == {nodes for nodes in expected if len(nodes) > 1}
    assert len(edges) == sum(len(nodes) - 1 for nodes in expected if nodes)  # a chain, not all pairs
    assert edges.dtype == np.int64


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), max_size=25), st.data())
def test_documents_that_share_a_band_have_a_record_of_the_same_key(rows, data):
    signatures = np.array(rows, np.uint32).reshape(-1, 6)
    signed = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    keys, places = band_records(signatures, signed, 3, 2)
    assert keys.dtype == np.uint64
    assert places.dtype == np.uint32
    assert len(keys) == len(places) == signed.sum() * 3
    bands = {}
    for key, place, band in zip(keys.tolist(), places.tolist(), [0, 1, 2] * int(signed.sum()), strict=True):
        bands.setdefault(key, set()).add((band, *signatures[place, 2 * band : 2 * band + 2].tolist()))
    assert all(len(found) == 1 for found in bands.values())  # also: equal values in two bands are two keys
    assert len(bands) == len({one for found in bands.values() for one in found})
    assert sorted(places.tolist()) == sorted(np.flatnonzero(signed).tolist() * 3)
