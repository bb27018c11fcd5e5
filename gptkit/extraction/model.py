"""The model that tells main text from the rest: boosted trees over the features of blocks."""

import functools
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gptkit.data.files import sha256_file
from gptkit.errors import GptkitError
from gptkit.extraction.training_settings import DEEPEST
from gptkit.kernels.block_columns import FEATURES, WIDTH

OWN = Path(__file__).with_name("model.npz")
LARGEST = 4_000_000  # bytes of a file, and of what it unpacks to
FAVORS = ("recall", "balanced", "precision")
KINDS = {"nodes": np.uint32, "values": np.float32, "roots": np.int64, "depths": np.int64, "thresholds": np.float32}


@dataclass(frozen=True, eq=False)
class Model:
    """Trees as `kernels.trees` reads them, and the thresholds for recall, balance and precision."""

    nodes: np.ndarray  # uint32 [nodes]
    values: np.ndarray  # float32 [nodes]
    roots: np.ndarray  # int64 [trees]
    depths: np.ndarray  # int64 [trees]
    thresholds: np.ndarray  # float32 [3], in the order of FAVORS

    def threshold(self, favor: str) -> float:
        """The probability from which a block is kept."""
        return float(self.thresholds[FAVORS.index(favor)])

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What the kernel wants."""
        return self.nodes, self.values, self.roots, self.depths

    def save(self, path: Path) -> None:
        """Writes a packed `.npz`, the same bytes for the same model."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, array in {**fields, "features": np.array(FEATURES)}.items():
                stream = io.BytesIO()
                np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), stream.getvalue(), zipfile.ZIP_DEFLATED, 9)


def load(path: Path) -> Model:
    """Reads a model. Raises GptkitError where it is none, or is for other features than this version's."""
    try:
        if path.stat().st_size > LARGEST:
            raise GptkitError(f"{path}: is over {LARGEST:,} bytes, too large for a model of extraction")
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
                raise GptkitError(f"{path}: unpacks to over {LARGEST:,} bytes, too large for a model of extraction")
        with np.load(path, allow_pickle=False) as stored:
            names = stored["features"].tolist()
            found = {name: stored[name] for name in KINDS}
    except GptkitError:
        raise
    except Exception as error:  # a damaged file makes zipfile, zlib and numpy raise many kinds, tokenize.TokenError too
        raise GptkitError(f"{path}: is no model of extraction ({error})") from None
    if names != list(FEATURES):
        raise GptkitError(f"{path}: is for other features than this version's; train it again (gptkit extract train)")
    model = Model(**found)
    _check(path, model)
    return model


def _check(path: Path, model: Model) -> None:
    """The kernel checks no bounds: nodes must lead to nodes, features and roots must be there."""
    if any(getattr(model, name).dtype != kind or getattr(model, name).ndim != 1 for name, kind in KINDS.items()):
        raise GptkitError(f"{path}: is no model of extraction (its arrays are of other kinds)")
    count, left = len(model.nodes), model.nodes >> 16
    inner = left != np.arange(count)
    if not (
        0 < count <= 1 << 16
        and model.values.shape == (count,)
        and model.roots.shape == model.depths.shape
        and model.thresholds.shape == (len(FAVORS),)
        and (left + inner < count).all()
        and (model.nodes[inner] & 255 < WIDTH).all()
        and (model.nodes[~inner] >> 8 & 255 == 255).all()
        and (model.nodes[~inner] & 255 == 0).all()
        and ((model.roots >= 0) & (model.roots < count)).all()
        and ((model.depths >= 0) & (model.depths <= DEEPEST)).all()
        and np.isfinite(model.values).all()
        and ((model.thresholds >= 0) & (model.thresholds <= 1)).all()
    ):
        raise GptkitError(f"{path}: is no model of extraction (its trees lead nowhere)")


@functools.cache
def own_model() -> Model:
    """The model that comes with the package."""
    return load(OWN)


def model_digest(path: str | None) -> str:
    """The SHA-256 of a model's file, or of the built-in one. Raises GptkitError where it is no model."""
    file = Path(path) if path else OWN
    load(file)
    return sha256_file(file)
