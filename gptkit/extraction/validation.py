"""How well a model does on pages it was not trained on, and which thresholds follow from it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gptkit.data.encoding import as_utf8
from gptkit.extraction.fast import FastExtractor
from gptkit.extraction.truth import Counts, LabelledPage, phrase_counts, shingle_f1, word_f1

COLUMNS = 6  # true positives, false negatives, false positives, true negatives; F1 of word 4-grams and of words
LOSS = 0.01  # of the measure, which recall and precision may cost
NOISE = 0.001  # less of it is no difference: then the more precise threshold is taken, for texts to train on
BINS = 10


def measure_page(
    extractor: FastExtractor, page: LabelledPage, probabilities: np.ndarray, thresholds: Sequence[float]
) -> np.ndarray:
    """What of a page's main text is found with each threshold: float64 [thresholds, COLUMNS], NaN for what is unknown.

    probabilities: float32 [blocks]. The text is made as the extractor makes it.
    """
    read = extractor.read(as_utf8(page.html, page.charset))
    probabilities = probabilities.copy()  # a block that is never kept has its own set to 0
    found = np.full((len(thresholds), COLUMNS), np.nan)
    before = None
    for place, threshold in enumerate(thresholds):
        keep, _ = extractor.cut(read, probabilities, threshold)
        if before is not None and np.array_equal(keep, before):
            found[place] = found[place - 1]
            continue
        text, before = extractor.join(read, keep), keep
        counts = phrase_counts(text, page.with_, page.without)
        found[place, :4] = (
            counts.true_positives,
            counts.false_negatives,
            counts.false_positives,
            counts.true_negatives,
        )
        if page.article is not None:
            found[place, 4:] = shingle_f1(text, page.article), word_f1(text, page.article)
    return found


def summary(measured: np.ndarray) -> dict[str, float | None]:
    """The measures of some pages with one threshold (float64 [pages, COLUMNS]); None for what is not known of any.

    Phrases are counted over all pages; F1 of 4-grams and words is the mean over the pages with an article.
    """
    counts = Counts(*(int(count) for count in measured[:, :4].sum(axis=0)))
    articles = measured[~np.isnan(measured[:, 4])]
    phrases, known = measured[:, :4].any(), len(articles) > 0
    return {
        "precision": counts.precision if phrases else None,
        "recall": counts.recall if phrases else None,
        "f1": counts.f1 if phrases else None,
        "shingle_f1": float(articles[:, 4].mean()) if known else None,
        "word_f1": float(articles[:, 5].mean()) if known else None,
    }


def main_measure(summed: dict[str, float | None]) -> float | None:
    """The F1 of words where whole texts are known, else of phrases."""
    return summed["f1"] if summed["word_f1"] is None else summed["word_f1"]


def calibration(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """How far probabilities are what they say; all float [blocks].

    `bins` are of equal width, with the weighted means of what was predicted and of the labels. `brier` is
    the weighted mean of the squared differences (Brier 1950); `error` the mean over bins, by their weight,
    of the difference of the means (the expected calibration error, Naeini et al. 2015).
    """
    inside = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    weight, predicted, kept = (
        np.bincount(inside, weights * values, BINS) for values in (np.ones_like(weights), probabilities, labels)
    )
    total = weight.sum()
    bins = [
        {
            "from": place / BINS,
            "to": (place + 1) / BINS,
            "predicted": float(predicted[place] / weight[place]) if weight[place] else None,
            "kept": float(kept[place] / weight[place]) if weight[place] else None,
            "weight": float(weight[place] / total),
        }
        for place in range(BINS)
    ]
    return {
        "bins": bins,
        "brier": float(np.average((probabilities.astype(np.float64) - labels) ** 2, weights=weights)),
        "error": float(np.abs(predicted - kept).sum() / total),
    }


def choose_thresholds(thresholds: Sequence[float], scores: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Of thresholds in rising order with a score each: one of the best, and how far one can go to both sides for little.

    By name (`model.FAVORS`): the threshold, rounded to .01, its score and the reason in words.
    """
    best = scores.index(max(scores))
    enough = [score >= scores[best] - LOSS for score in scores]
    balanced = max(place for place, score in enumerate(scores) if score >= scores[best] - NOISE)
    lowest = highest = best
    while lowest > 0 and enough[lowest - 1]:
        lowest -= 1
    while highest < len(scores) - 1 and enough[highest + 1]:
        highest += 1
    reasons = {
        "recall": (lowest, f"the lowest that loses at most {LOSS:g} of the best"),
        "balanced": (balanced, f"the highest that is as good as the best ({scores[best]:.4f}), but for {NOISE:g}"),
        "precision": (highest, f"the highest that loses at most {LOSS:g} of the best"),
    }
    return {
        name: {"threshold": round(thresholds[place], 2), "score": scores[place], "reason": reason}
        for name, (place, reason) in reasons.items()
    }
