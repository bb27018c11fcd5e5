"""The table that GPT-3's paper prints of its mixture (table 2.2), and what to think about before the run."""

from collections.abc import Sequence

from gptkit.mixture.draw import Drawn, Measured
from gptkit.mixture.settings import MixSettings
from gptkit.sampling.asks import By
from gptkit.sampling.shares import disagreements

EPOCHS = 4.0  # up to which repeating text is about as good as new text (Muennighoff et al., 2023)
SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def lines(found: Sequence[Measured], drawn: Sequence[Drawn] | None, settings: MixSettings, by: By) -> list[str]:
    """The table and the warnings. Before the draw the number of documents is what sizes let expect."""
    total = sum(measured.share.wanted for measured in found)
    head = ("source", f"size in {settings.counted_in}", "asked", "share", "epochs", "documents", "drawn")
    rows = []
    for place, measured in enumerate(found):
        share = measured.share
        if drawn is None:
            documents = f"about {readable(measured.documents * share.wanted / measured.size)}"
        else:
            documents = readable(drawn[place].documents)
        rows.append(
            (
                measured.source.name,
                readable(measured.size),
                asked(measured),
                f"{share.wanted / total:.1%}",
                f"{share.wanted / measured.size:.3g}",
                documents,
                readable(share.wanted),
            )
        )
    table = [head, *rows, ("in all", readable(sum(one.size for one in found)), "", "", "", "", readable(total))]
    return [*_aligned(table), *warnings(found, settings, by)]


def asked(measured: Measured) -> str:
    """The weight and the epochs that the command line named."""
    ask = measured.source.ask
    weight = "" if ask.weight is None else f"{ask.weight:g}"
    return ", ".join(part for part in (weight, "" if ask.epochs is None else f"{ask.epochs:g}x") if part)


def warnings(found: Sequence[Measured], settings: MixSettings, by: By) -> list[str]:
    """What may not be meant: many repetitions, weights and epochs that disagree, documents without a weight."""
    said = []
    for measured in found:
        name, epochs = measured.source.name, measured.share.wanted / measured.size
        if epochs > EPOCHS:
            said.append(
                f"{name}: is read {epochs:.3g} times; beyond {EPOCHS:g} a model gains little from repeated text"
            )
        if measured.unweighted:
            said.append(
                f"{name}: {measured.unweighted:,} of {measured.documents:,} documents have no number above 0 in "
                f"'{settings.weight_by}'; they are drawn last"
            )
    sizes = [measured.size for measured in found]
    said += disagreements([one.source.ask for one in found], sizes, [one.share for one in found], by)
    return [f"warning: {line}" for line in said]


def readable(number: float) -> str:
    """A count with three digits at most and its scale: 410B, 12.5M, 950."""
    for scale, name in SCALES:
        if number >= scale * 0.9995:
            return f"{float(f'{number / scale:.3g}'):g}{name}"
    return f"{number:.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
