"""From one form of model to another: a folder of transformers or of ours, or a checkpoint of llama2.c."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gptkit.data.files import TEMPORARY, atomic_path, check_free_space, write_json
from gptkit.errors import GptkitError, UsageError
from gptkit.model.exchange.form import Form
from gptkit.model.exchange.llama import LLAMA
from gptkit.model.exchange.llama2c import BOUNDARY, read_llama2c
from gptkit.model.exchange.llama2c_tokenizer import read_llama2c_tokenizer
from gptkit.model.exchange.own import OWN
from gptkit.model.folder import (
    CONFIG,
    DTYPES,
    INDEX,
    PART,
    TOKENIZER,
    WEIGHTS,
    LoadedModel,
    assemble,
    check_size,
    form_of,
    load_model,
    read_config,
    save_model,
)
from gptkit.model.size import parameter_count

LLAMA2C, LLAMA2C_TOKENIZER = "llama2.c", "tokenizer.bin"
GENERATION = "generation_config.json"
BESIDE = (GENERATION, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")  # go along as they are
WRITTEN = {WEIGHTS, INDEX, CONFIG, TOKENIZER, *BESIDE}  # here, besides PARTs


def convert(
    source: Path,
    output: Path,
    to: str = "hf",
    dtype: str = "fp32",
    tokenizer: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Reads the model `source` and writes it into the folder `output`; gives what was read and written.

    to: "hf", the form that transformers reads the model's family in, or "gptkit", our own. dtype: a name of DTYPES.
    tokenizer: a tokenizer.json or llama2.c's tokenizer.bin, in place of the model's own. Nothing is written before all
    is read. Raises GptkitError for what cannot be read or built, and UsageError for a form that cannot hold it.
    """
    _check_output(output, [source] if tokenizer is None else [source, tokenizer], overwrite)
    with contextlib.ExitStack() as stack:
        if source.is_file():
            kind, loaded = LLAMA2C, _load_llama2c(source, tokenizer, stack)
        else:
            kind, loaded = _load_folder(source, tokenizer, stack)
        form = _form(loaded, to)
        check_free_space(output, parameter_count(loaded.config) * DTYPES[dtype].itemsize)
        save_model(output, loaded.model, loaded.tokenizer_path, form, DTYPES[dtype], loaded.special_ids)
        kept = (GENERATION,) if tokenizer is not None else BESIDE
        _copy_beside(output, {name: source / name for name in kept if (source / name).is_file()})
    return {
        "source": str(source),
        "source_type": kind,
        "output": str(output),
        "output_type": form.model_type,
        "dtype": dtype,
        "parameters": parameter_count(loaded.config),
        "config": dataclasses.asdict(loaded.config),
        "files": {path.name: path.stat().st_size for path in sorted(output.iterdir())},
    }


def _check_output(output: Path, inputs: list[Path], overwrite: bool) -> None:
    """Raises where `output` holds something that must stay."""
    for path in inputs:
        if path.resolve().is_relative_to(output.resolve()):
            raise UsageError(f"{output}: must lie apart from the input {path}")
    if output.exists() and not output.is_dir():
        raise GptkitError(f"{output}: is a file; name a folder")
    there = [path.name for path in sorted(output.iterdir())] if output.is_dir() else []
    foreign = [name for name in there if not (name in WRITTEN or PART.fullmatch(name) or name.endswith(TEMPORARY))]
    if foreign:
        raise GptkitError(f"{output}: already holds something else ({foreign[0]}); name another folder")
    if there and not overwrite:
        raise GptkitError(f"{output}: already holds a model; name another folder, or give --overwrite")


def _copy_beside(output: Path, found: dict[str, Path]) -> None:
    """Copies what lay beside the model that was read, and takes out what lay beside one that was here before."""
    for path in sorted(output.iterdir()):
        if (path.name in BESIDE and path.name not in found) or path.name.endswith(TEMPORARY):
            path.unlink()
    for name, there in found.items():
        with atomic_path(output / name) as temporary:
            temporary.write_bytes(there.read_bytes())


def _load_folder(folder: Path, tokenizer: Path | None, stack: contextlib.ExitStack) -> tuple[str, LoadedModel]:
    """The name of its form, and the model."""
    if tokenizer is not None:
        config = read_config(folder / CONFIG)[1]
        tokenizer = stack.enter_context(_as_json(tokenizer, config.vocab_size))
    loaded = load_model(folder, tokenizer_path=tokenizer)
    return read_config(folder / CONFIG)[0].model_type, loaded


def _load_llama2c(path: Path, tokenizer: Path | None, stack: contextlib.ExitStack) -> LoadedModel:
    config, tensors = read_llama2c(path)
    if tokenizer is None:
        tokenizer = path.with_name(LLAMA2C_TOKENIZER)
        if not tokenizer.is_file():
            raise UsageError(
                f"{path}: has no {LLAMA2C_TOKENIZER} beside it; name one, or a tokenizer.json, with --tokenizer"
            )
    tokenizer = stack.enter_context(_as_json(tokenizer, config.vocab_size))
    check_size(tokenizer, config, path)
    model = assemble(LLAMA, config, tensors, path)
    return LoadedModel(model.eval(), config, tokenizer, "", {"bos_token_id": BOUNDARY, "eos_token_id": BOUNDARY})


@contextlib.contextmanager
def _as_json(tokenizer: Path, vocab_size: int) -> Iterator[Path]:
    """The path of a tokenizer.json; while the block lasts, where it is made from a tokenizer.bin."""
    if tokenizer.suffix != ".bin":
        yield tokenizer
        return
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder) / TOKENIZER, read_llama2c_tokenizer(tokenizer, vocab_size))
        yield Path(folder) / TOKENIZER


def _form(loaded: LoadedModel, to: str) -> Form:
    form = OWN if to == OWN.model_type else form_of(loaded.config)
    if to != OWN.model_type and form is OWN:
        raise UsageError(
            f"no model of transformers that is known here has this shape; write it with --to {OWN.model_type}"
        )
    return form
