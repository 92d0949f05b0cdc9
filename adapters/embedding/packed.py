"""BERT's encoder with its weights laid out as oneDNN multiplies them. Importing this module imports torch.

A question is a dozen tokens: too few for torch's own pass, which lays out each weight anew and goes through ten
layers of Python for each product, to spend its time on multiplying. Here weights are laid out once, query, key and
value are one product, and GELU is part of its product.
"""

import copy
from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

Features = dict[str, Tensor]  # as sentence-transformers hands them on
_After = tuple[str, list[Any], str]  # operation, its numbers, its algorithm
_NOTHING_AFTER: Final[_After] = ("none", [], "")
_GELU_AFTER: Final[_After] = ("gelu", [], "none")  # the exact one


class _Linear:
    """`x W + b`, and what comes after."""

    def __init__(self, *layers: nn.Linear, dtype: torch.dtype, after: _After) -> None:
        weight = torch.cat([layer.weight for layer in layers])
        self._bias = torch.cat([layer.bias for layer in layers]).to(dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype))  # noqa: SLF001 as torch's own compiler uses it
        self._after = after

    def __call__(self, rows: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(  # noqa: SLF001 as above
            rows, self._weight, self._bias, *self._after
        )
        return product


class _Norm:
    """Layer normalisation."""

    def __init__(self, layer: nn.LayerNorm, dtype: torch.dtype) -> None:
        self._weight, self._bias = layer.weight.to(dtype), layer.bias.to(dtype)
        self._shape, self._epsilon = layer.normalized_shape, layer.eps

    def __call__(self, rows: Tensor) -> Tensor:
        return functional.layer_norm(rows, self._shape, self._weight, self._bias, self._epsilon)


class _Layer:
    """Attention and what follows it."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        attention = layer.attention.self
        self._heads = attention.num_attention_heads
        self._attended = _Linear(attention.query, attention.key, attention.value, dtype=dtype, after=_NOTHING_AFTER)
        self._out = _Linear(layer.attention.output.dense, dtype=dtype, after=_NOTHING_AFTER)
        self._out_norm = _Norm(layer.attention.output.LayerNorm, dtype)
        self._wider = _Linear(layer.intermediate.dense, dtype=dtype, after=_GELU_AFTER)
        self._narrower = _Linear(layer.output.dense, dtype=dtype, after=_NOTHING_AFTER)
        self._norm = _Norm(layer.output.LayerNorm, dtype)

    def __call__(self, rows: Tensor, texts: int, mask: Tensor | None) -> Tensor:
        """`rows`: (texts * tokens, width); `mask`: (texts, 1, 1, tokens), true where there is a token."""
        count, width = rows.shape
        parts = self._attended(rows).view(texts, count // texts, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        rows = self._out_norm(self._out(found.transpose(1, 2).reshape(count, width)) + rows)
        return self._norm(self._narrower(self._wider(rows)) + rows)


class _Bert:
    """In the place of sentence-transformers' own module for the encoder: ids in, an embedding of each token out."""

    def __init__(self, bert: Any, dtype: torch.dtype) -> None:
        given = bert.embeddings
        self._words = given.word_embeddings.weight.detach().to(dtype)
        places = given.position_embeddings.weight + given.token_type_embeddings.weight[0]
        self._places = places.detach().to(dtype)
        self._norm = _Norm(given.LayerNorm, dtype)
        self._layers = [_Layer(layer, dtype) for layer in bert.encoder.layer]

    def __call__(self, features: Features) -> Features:
        """With ``token_embeddings`` added: (texts, tokens, width)."""
        ids, held = features["input_ids"], features["attention_mask"].bool()
        texts, tokens = ids.shape
        rows = self._norm(functional.embedding(ids, self._words) + self._places[:tokens]).flatten(0, 1)
        mask = None if bool(held.all()) else held[:, None, None, :]
        for layer in self._layers:
            rows = layer(rows, texts, mask)
        return features | {"token_embeddings": rows.unflatten(0, (texts, tokens))}


def packed(model: Any, dtype: torch.dtype) -> Callable[[Features], Features] | None:
    """A sentence-transformers model whose encoder computes so; None where it is no BERT on a processor.

    What stands behind the encoder (pooling, further layers) is as it was.
    """
    encoder: Any = getattr(model[0], "model", None)
    if type(encoder).__name__ != "BertModel" or model.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    if encoder.config.is_decoder or encoder.config.hidden_act != "gelu":
        return None
    behind = [copy.deepcopy(part).to(dtype) for part in [*model][1:]]
    with torch.no_grad():
        parts = [_Bert(encoder, dtype), *behind]
    return lambda features: reduce(lambda given, part: part(given), parts, features)
