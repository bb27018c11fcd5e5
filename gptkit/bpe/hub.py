"""The tokenizer files of a model on the Hugging Face hub."""

import logging
from collections.abc import Sequence
from pathlib import Path

from gptkit.errors import GptkitError

SECONDS = 10  # to wait for an answer
REASON_CHARACTERS = 300


def download(name: str, forms: Sequence[Sequence[str]]) -> Path:
    """The first file of the first of `forms` (file names that belong together) that a model has.

    All files of the form lie in its folder. Where the hub cannot be reached, those are taken that an earlier
    download left in the cache of huggingface_hub. Raises GptkitError where there are none.
    """
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # an error is said once, by us
    reason = ""
    try:
        siblings = HfApi().model_info(name, timeout=SECONDS).siblings or []
        there = {sibling.rfilename for sibling in siblings}
        forms = [form for form in forms if there.issuperset(form)]
    except Exception as error:  # the hub's own, those of httpx below it, and OSError: each means that it has no answer
        reason = _reason(error)
    for form in forms:
        try:
            paths = [Path(hf_hub_download(name, file, local_files_only=bool(reason))) for file in form]
            return paths[0]
        except Exception as error:  # the same, or the file is not in the cache: the next form is tried
            reason = reason or _reason(error)
    if reason:
        raise GptkitError(f"{name}: no such file, and no model of this name can be had from the hub ({reason})")
    raise GptkitError(f"{name}: this model of the hub has no tokenizer.json, nor a vocabulary and merges")


def _reason(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:REASON_CHARACTERS]
