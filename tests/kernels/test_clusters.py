import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gptkit.dedup.clusters import exact_clusters, near_clusters
from gptkit.kernels.minhash import EMPTY


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), max_size=25))
def test_clusters_are_the_components_of_documents_that_share_a_band(rows):
    signatures = np.array(rows, np.uint32).reshape(-1, 6)
    found = near_clusters(signatures, 3, 2)
    bands = signatures.reshape(len(rows), 3, 2)
    same = (bands[:, None] == bands[None]).all(axis=3).any(axis=2) if rows else np.zeros((0, 0))
    count, labels = connected_components(coo_array(same), directed=False) if rows else (0, np.array([]))
    assert len(np.unique(found)) == count
    for label in range(count):
        members = np.flatnonzero(labels == label)
        assert (found[members] == members[0]).all()  # the least member names the cluster


def test_documents_without_words_are_no_duplicates_of_each_other():
    signatures = np.full((3, 4), EMPTY, np.uint32)
    assert near_clusters(signatures, 2, 2).tolist() == [0, 1, 2]


@given(st.lists(st.integers(0, 4), max_size=20))
def test_exact_clusters_point_to_the_first(keys):
    hashes = np.array([[key, 7] for key in keys], np.uint64).reshape(-1, 2)
    assert exact_clusters(hashes).tolist() == [keys.index(key) for key in keys]
