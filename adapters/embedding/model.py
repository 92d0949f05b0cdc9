"""A sentence-transformers model on this machine's processor, or its GPU.

Importing this module imports no torch; loading a model does, which takes some seconds.
"""

import copy
import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from adapters.embedding.folder import DEFAULT_MODEL, ModelFolder, find_model
from application.errors import EmbedderUnavailable

if TYPE_CHECKING:
    import torch

    _Form = Callable[[Sequence["Tokens"]], torch.Tensor]  # one way to compute a model: an embedding of each text

log = structlog.get_logger(__name__)

Dtype = Literal["auto", "float32", "bfloat16"]
Kind = Literal["query", "passage"]
Vectors = NDArray[np.float32]  # (n, dimensions), each row of unit length
Tokens = Sequence[int]  # ids with the model's special tokens

MIN_COSINE: Final = 0.999  # to float32, on every probe text
_MIN_GAIN: Final = 1.15  # below this a lower precision is not worth it
_SHORT_PROBES: Final = 4  # questions to a batch of passages
_CHARACTERS_A_TOKEN: Final = 64  # more of a text than this never reaches the model, so it is cut before tokenising
_MAX_TOKENS: Final = 8192  # for models that name no limit
_PROBES: Final = tuple(
    " ".join(("The harbour office keeps a register of every vessel, its cargo and the hour of its arrival.",) * repeats)
    + f" Entry {repeats}: grain, timber and {repeats * 7} barrels of oil."
    for repeats in (1, 1, 2, 3, 4, 6)
)


class SentenceTransformerModel:
    """Texts to vectors, in two steps so that a caller can form batches by length.

    `encode` may be called from several threads, each of which computes with `threads` threads of torch; `tokenise`
    from one at a time.

    `dtype` ``auto`` picks bfloat16 where a probe finds it faster and near enough (cosine ≥ 0.999), else float32. In
    either, a BERT is computed with weights that are laid out for the processor where that is faster and as near.
    Texts longer than `max_tokens` are cut. Raises `EmbedderUnavailable` when the model cannot be loaded.
    """

    def __init__(self, name_or_path: str = DEFAULT_MODEL, *, dtype: Dtype = "auto", threads: int = 1) -> None:
        folder = find_model(name_or_path)
        self.name = folder.name
        self.dimensions = folder.dimensions
        model = _load(folder, threads)
        self._tokenizer = model.tokenizer
        self._tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
        self._device: torch.device = model.device
        self.max_tokens = int(model.max_seq_length or min(self._tokenizer.model_max_length, _MAX_TOKENS))
        self._prompts = {"query": _prompt(model, "query"), "passage": _prompt(model, "document", "passage")}
        self._form = self._padded(model)
        self.dtype = self._choose(model, dtype)

    def tokenise(self, texts: Sequence[str], kind: Kind = "passage") -> list[list[int]]:
        """The ids that the model will read, with its prompt for this kind of text where it has one."""
        prompt, limit = self._prompts[kind], self.max_tokens * _CHARACTERS_A_TOKEN
        prepared = [(prompt + text[:limit]) for text in texts]
        ids: list[list[int]] = self._tokenizer(prepared, truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def encode(self, tokens: Sequence[Tokens]) -> Vectors:
        """One forward pass over all of them; the nearer they are in length, the better."""
        import torch

        if not tokens:
            return np.empty((0, self.dimensions), np.float32)
        with torch.inference_mode():
            pooled = self._form(tokens).float()
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return vectors

    def _padded(self, model: Any) -> "_Form":
        """The form of a whole model of sentence-transformers, which reads texts padded to the longest."""

        def embed(tokens: Sequence[Tokens]) -> "torch.Tensor":
            features = self._tokenizer.pad({"input_ids": list(tokens)}, return_tensors="pt").to(self._device)
            pooled: torch.Tensor = model(dict(features))["sentence_embedding"]
            return pooled

        return embed

    def _copied(self, model: Any, dtype: "torch.dtype") -> "_Form":
        return self._padded(copy.deepcopy(model).to(dtype))

    def _choose(self, plain: Any, dtype: Dtype) -> str:
        """Keep the fastest form of the model that is near enough to the plain one, and say its type."""
        import torch

        from adapters.embedding.packed import packed

        tokens = self.tokenise(_PROBES)
        exact, seconds = self._probe(tokens)
        chosen, kept = "float32", self._form
        for tried, is_packed in (("float32", True), ("bfloat16", True), ("bfloat16", False)):
            if dtype not in {"auto", tried} or chosen == tried == "bfloat16":
                continue
            try:
                form = (packed if is_packed else self._copied)(plain, getattr(torch, tried))
                if form is None:
                    continue
                self._form = form
                vectors, spent = self._probe(tokens)
            except (AttributeError, RuntimeError) as error:  # nothing that this build or this processor can do
                log.warning("form_not_usable", dtype=tried, packed=is_packed, reason=type(error).__name__)
                continue
            cosine, gain = float((exact * vectors).sum(axis=1).min()), seconds / spent
            log.info("form_probed", dtype=tried, packed=is_packed, gain=round(gain, 2), cosine=round(cosine, 5))
            asked_for = tried == dtype == "bfloat16"
            near = cosine >= MIN_COSINE or (asked_for and not is_packed)
            if near and (asked_for or gain >= (_MIN_GAIN if tried != chosen else 1.0)):
                chosen, kept, seconds = tried, form, spent
        self._form = kept
        return chosen

    def _probe(self, tokens: list[list[int]]) -> tuple[Vectors, float]:
        """Vectors of the probe texts, and the seconds of the faster of two passes, a few short texts' beside."""
        # beside a busy neighbour a pass takes longer, but no more of the processor
        clock = time.process_time if self._device.type == "cpu" else time.perf_counter
        self.encode(tokens[:2])
        seconds = []
        for _ in range(2):
            start = clock()
            vectors = self.encode(tokens)
            for _ in range(_SHORT_PROBES):
                self.encode(tokens[:1])
            seconds.append(clock() - start)
        return vectors, min(seconds)


def _prompt(model: Any, *names: str) -> str:
    prompts: dict[str, str] = model.prompts or {}
    return next((prompts[name] for name in names if prompts.get(name)), "")


def _load(folder: ModelFolder, threads: int) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read at import: nothing may be downloaded
    os.environ["TRANSFORMERS_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads would take turns with torch's
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    torch.set_num_threads(threads)
    try:
        return SentenceTransformer(str(folder.path), local_files_only=True).eval()
    except Exception as error:
        message = f"The embedding model in {folder.path} cannot be loaded: {type(error).__name__}."
        raise EmbedderUnavailable(message) from error
