"""From the bytes of a batch of pages to their main text, in one call."""

from gptkit.kernels.block_features import features
from gptkit.kernels.html_blocks import BLOCKS, COUNTS, ELEMENTS, TEXT, TITLE_END, TITLE_START, read_page
from gptkit.kernels.html_text import choose, join
from gptkit.kernels.jit import kernel
from gptkit.kernels.trees import probabilities


@kernel
def extract_pages(
    pages, starts, names, stop_words, buffers, scratch, model, limit, threshold, comments, out, ends, told
):
    """Writes the main text of each page into `out`, one behind the other; `ends` (int64 [pages]) says where each ends.

    pages: uint8, valid UTF-8; starts: int64 [pages + 1]. names: the tables of `html_blocks.read_page`;
    stop_words: those of `block_features.features`; buffers, scratch: the arrays of `Buffers` and `Scratch`
    with room for features, probabilities and marks of what is kept; model: nodes, values, roots, depths.
    told: int64 [pages, COUNTS], what `read_page` counted. Gives the number of pages done: it ends
    before a page for whose text `out` has no room left.
    """
    elements, masks, looks, blocks, text, marks, stack, hashes, open_names, counts = buffers
    counted, sums, text_hashes, table, items, rows, chances, keep = scratch
    nodes, values, roots, depths = model
    place = 0
    for number in range(len(starts) - 1):
        page = pages[starts[number] : starts[number + 1]]
        read_page(
            page, *names, elements, masks, looks, blocks, text, marks, stack, hashes, open_names, counts, limit, False
        )
        found = counts[BLOCKS]
        if place + counts[TEXT] + 2 * found > len(out):
            return number
        features(
            page, counts[TITLE_START], counts[TITLE_END], elements, counts[ELEMENTS], masks, looks, blocks, found, text,
            names[2], *stop_words, counted, sums, text_hashes, table, items, rows,
        )  # fmt: skip
        probabilities(rows, found, nodes, values, roots, depths, chances)
        choose(elements, masks, blocks, found, text, rows, chances, threshold, comments, keep)
        place = join(elements, blocks, found, text, keep, out, place)
        ends[number] = place
        for column in range(COUNTS):
            told[number, column] = counts[column]
    return len(starts) - 1
