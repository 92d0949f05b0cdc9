"""BERT's encoder with its weights laid out as oneDNN multiplies them. Importing this module imports torch.

A question is a dozen tokens: too few for torch's own pass, which lays out each weight anew and goes through ten
layers of Python for each product, to spend its time on multiplying. Here weights are laid out once, query, key and
value are one product, GELU and the sum with what came in are part of theirs, and no text is padded: the rows of all
texts stand below each other, and only attention knows where one ends.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

_After = tuple[str, list[Any], str]  # operation, its numbers, its algorithm
_NOTHING_AFTER: Final[_After] = ("none", [], "")
_GELU_AFTER: Final[_After] = ("gelu", [], "none")  # the exact one
_Group = tuple[slice, int]  # rows of neighbouring texts of one length, and how many texts these are


class _Linear:
    """`x W + b`, and what comes after."""

    def __init__(self, *layers: nn.Linear, dtype: torch.dtype, after: _After = _NOTHING_AFTER) -> None:
        weight = torch.cat([layer.weight for layer in layers])
        self._bias = torch.cat([layer.bias for layer in layers]).to(dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype))  # noqa: SLF001 as torch's own compiler uses it
        self._after = after
        self._alone = torch.ops.mkldnn._linear_pointwise.default  # noqa: SLF001 as above
        self._summed = torch.ops.mkldnn._linear_pointwise.binary  # noqa: SLF001 as above

    def __call__(self, rows: Tensor) -> Tensor:
        product: Tensor = self._alone(rows, self._weight, self._bias, *self._after)
        return product

    def plus(self, rows: Tensor, others: Tensor) -> Tensor:
        """`x W + b + others`."""
        product: Tensor = self._summed(rows, others, self._weight, self._bias, "add")
        return product


class _Norm:
    """Layer normalisation."""

    def __init__(self, layer: nn.LayerNorm, dtype: torch.dtype) -> None:
        self._weight, self._bias = layer.weight.to(dtype), layer.bias.to(dtype)
        self._shape, self._epsilon = layer.normalized_shape, layer.eps

    def __call__(self, rows: Tensor) -> Tensor:
        return torch.layer_norm(rows, self._shape, self._weight, self._bias, self._epsilon)


class _Layer:
    """Attention and what follows it."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        attention = layer.attention.self
        self._heads = attention.num_attention_heads
        self._attended = _Linear(attention.query, attention.key, attention.value, dtype=dtype)
        self._out = _Linear(layer.attention.output.dense, dtype=dtype)
        self._out_norm = _Norm(layer.attention.output.LayerNorm, dtype)
        self._wider = _Linear(layer.intermediate.dense, dtype=dtype, after=_GELU_AFTER)
        self._narrower = _Linear(layer.output.dense, dtype=dtype)
        self._norm = _Norm(layer.output.LayerNorm, dtype)

    def __call__(self, rows: Tensor, groups: Sequence[_Group]) -> Tensor:
        """`rows`: (tokens of all texts, width)."""
        parts = self._attended(rows).float()
        if len(groups) == 1:  # above all a question alone: cutting and joining takes half as long as attending
            found = self._attend(parts, groups[0][1])
        else:
            found = torch.cat([self._attend(parts[where], texts) for where, texts in groups])
        rows = self._out_norm(self._out.plus(found.to(rows.dtype), rows))
        return self._norm(self._narrower.plus(self._wider(rows), rows))

    def _attend(self, parts: Tensor, texts: int) -> Tensor:
        count, width = parts.shape[0], parts.shape[1] // 3
        split = parts.view(texts, count // texts, 3, self._heads, width // self._heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        found = functional.scaled_dot_product_attention(query, key, value)
        return found.transpose(1, 2).reshape(count, width)


class _Bert:
    """Ids of texts in, rows of all their tokens out."""

    def __init__(self, bert: Any, dtype: torch.dtype) -> None:
        given = bert.embeddings
        self._words = given.word_embeddings.weight.detach().to(dtype)
        places = given.position_embeddings.weight + given.token_type_embeddings.weight[0]
        self._places = places.detach().to(dtype)
        self._norm = _Norm(given.LayerNorm, dtype)
        self._layers = [_Layer(layer, dtype) for layer in bert.encoder.layer]

    def __call__(self, tokens: Sequence[Sequence[int]], groups: Sequence[_Group]) -> Tensor:
        words = self._words[torch.tensor([token for ids in tokens for token in ids])]
        places = [self._places[: len(ids)] for ids in tokens]
        rows = self._norm(words + (places[0] if len(places) == 1 else torch.cat(places)))
        for layer in self._layers:
            rows = layer(rows, groups)
        return rows


class _Pool:
    """From rows of tokens to an embedding of each text, by what stands behind the encoder."""

    def __init__(self, parts: Sequence[Any], dtype: torch.dtype) -> None:
        names = [type(part).__name__ for part in parts]
        # whoever embeds makes vectors of unit length anyway
        is_usual = names in (["Pooling"], ["Pooling", "Normalize"])
        self._is_mean = is_usual and parts[0].pooling_mode in {"mean", ("mean",)}
        self._parts = [copy.deepcopy(part).to(dtype) for part in parts]

    def __call__(self, rows: Tensor, lengths: Sequence[int], groups: Sequence[_Group]) -> Tensor:
        if self._is_mean:
            means = [rows[where].view(texts, -1, rows.shape[1]).mean(1, dtype=torch.float32) for where, texts in groups]
            return torch.cat(means)
        texts = rows.split(lengths)
        held = [torch.ones(length, dtype=torch.int64) for length in lengths]
        features = {
            "token_embeddings": pad_sequence(texts, batch_first=True),
            "attention_mask": pad_sequence(held, batch_first=True),
        }
        for part in self._parts:
            features = part(features)
        return features["sentence_embedding"]


def packed(model: Any, dtype: torch.dtype) -> Callable[[Sequence[Sequence[int]]], Tensor] | None:
    """From ids of texts to an embedding of each, as the sentence-transformers model `model` gives it.

    None where its encoder is no BERT on a processor. What stands behind the encoder (pooling, further layers) is as
    it was.
    """
    encoder: Any = getattr(model[0], "model", None)
    if type(encoder).__name__ != "BertModel" or model.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    if encoder.config.is_decoder or encoder.config.hidden_act != "gelu":
        return None
    with torch.no_grad():
        bert, pool = _Bert(encoder, dtype), _Pool([*model][1:], dtype)

    def embed(tokens: Sequence[Sequence[int]]) -> Tensor:
        lengths = [len(ids) for ids in tokens]
        groups = _groups(lengths)
        return pool(bert(tokens, groups), lengths, groups)

    return embed


def _groups(lengths: Sequence[int]) -> list[_Group]:
    """Neighbours of one length are attended to together."""
    groups: list[_Group] = []
    start = 0
    for length, alike in groupby(lengths):
        texts = len(list(alike))
        groups.append((slice(start, start + length * texts), texts))
        start += length * texts
    return groups
