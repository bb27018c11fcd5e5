"""Reads text files: one document a file."""

from collections.abc import Iterator

import pyarrow as pa

from gptkit.data.damage import Damage
from gptkit.data.encoding import decode
from gptkit.data.identity import document_id, file_name
from gptkit.data.inputs import InputFile
from gptkit.data.streams import open_plain

FILE_BYTES = 32_000_000  # a longer file of one document is damage: nobody wrote it
SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "url", "source")])


def read(file: InputFile, damage: list[Damage]) -> Iterator[pa.RecordBatch]:
    """Reads a text file as a batch of one document; its url is the file's relative path."""
    data = read_whole(file, damage)
    if data is not None:
        row = [document_id(file, 0), decode(data, html=False), file_name(file), file.source]
        yield pa.RecordBatch.from_arrays([pa.array([value], pa.string()) for value in row], schema=SCHEMA)


def read_whole(file: InputFile, damage: list[Damage]) -> bytes | None:
    """The unpacked bytes of a file that is one document; None, and damage, where it is empty, broken or too long."""
    data, reason = b"", ""
    with open_plain(file) as stream:
        try:
            data = stream.read(FILE_BYTES + 1)
        except OSError as error:
            reason = str(error)
    if len(data) > FILE_BYTES:
        reason = f"a document of over {FILE_BYTES:,} bytes"
    if not data and not reason:
        reason = "is empty"
    if reason:
        damage.append(Damage(file.relative, 0, reason))
        return None
    return data
