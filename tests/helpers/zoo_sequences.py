"""Recurrent networks and transformers for the zoo."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from specimens import ZOO, Specimen, image, specimen
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

GATES = ("input_gate", "forget_gate", "cell_gate", "output_gate", "cell", "hidden")
WAYS = ("l0", "l0_reverse", "l1", "l1_reverse")


@specimen(
    "lstm lstm[1] lstm[2] " + " ".join(f"lstm.{part}_{way}" for way in WAYS for part in GATES) + " slice head",
    image(5, 2, 3),
)
class LSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, num_layers=2, bidirectional=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][-1])


class PackedGRU(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(3, 4, bidirectional=True, batch_first=True)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.gru(packed)[0], batch_first=True)[0]


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.LSTMCell(3, 4), nn.GRUCell(4, 4), nn.RNNCell(4, 2)

    def forward(self, x):
        hidden, _ = self.first(x)
        return self.third(self.second(hidden))


class ViTBlock(nn.Module):
    def __init__(self, width: int = 8, heads: int = 2):
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, width))

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.mlp(self.norm2(x))


@specimen(
    "patch flatten transpose expand cat add blocks.0.norm1 blocks.0.qkv blocks.0.reshape:1 "
    "blocks.0.permute blocks.0.unbind blocks.0.unbind[1] blocks.0.unbind[2] "
    "blocks.0.scaled_dot_product_attention blocks.0.attention_weights blocks.0.transpose "
    "blocks.0.reshape:2 blocks.0.proj blocks.0.add:1 blocks.0.norm2 blocks.0.mlp.0 blocks.0.mlp.1 "
    "blocks.0.mlp.2 blocks.0.mlp.3 blocks.0.add:2 blocks.1.norm1 blocks.1.qkv blocks.1.reshape:1 "
    "blocks.1.permute blocks.1.unbind blocks.1.unbind[1] blocks.1.unbind[2] "
    "blocks.1.scaled_dot_product_attention blocks.1.attention_weights blocks.1.transpose "
    "blocks.1.reshape:2 blocks.1.proj blocks.1.add:1 blocks.1.norm2 blocks.1.mlp.0 blocks.1.mlp.1 "
    "blocks.1.mlp.2 blocks.1.mlp.3 blocks.1.add:2 slice head"
)
class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.cls, self.position = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.blocks = nn.ModuleList([ViTBlock(), ViTBlock()])
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(x[:, 0])


@specimen(
    "wte wpe add:1 norm qkv chunk chunk[1] chunk[2] transpose matmul:1 div not masked_fill softmax "
    "matmul:2 add:2 scaled_dot_product_attention attention_weights add:3 linear",
    lambda: (torch.tensor([[1, 4, 2, 0, 3]]),),
)
class GPT(nn.Module):
    """Token embedding, causal attention with a mask of its own, tied output."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(6, 8), nn.Embedding(5, 8)
        self.norm, self.qkv = nn.LayerNorm(8), nn.Linear(8, 24)
        self.register_buffer("mask", torch.ones(5, 5).tril().bool())

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        query, key, value = self.qkv(self.norm(x)).chunk(3, -1)
        scores = query @ key.transpose(-2, -1) / 8**0.5
        weights = scores.masked_fill(~self.mask, -torch.inf).softmax(-1)
        x = x + weights @ value
        x = x + F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return F.linear(x, self.wte.weight)


@specimen("attention attention.attention_weights", image(4, 2, 8))
class MultiHead(nn.Module):
    """What would take torch's fast path."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        mixed, _ = self.attention(x, x, x, need_weights=False)
        return mixed


@specimen(
    "encoder.layers.0.self_attn.transpose:1 encoder.layers.0.self_attn.multi_head_attention_forward "
    "encoder.layers.0.self_attn.attention_weights encoder.layers.0.self_attn.transpose:2 "
    "encoder.layers.0.dropout1 encoder.layers.0.add:1 encoder.layers.0.norm1 encoder.layers.0.linear1 "
    "encoder.layers.0.relu encoder.layers.0.dropout encoder.layers.0.linear2 encoder.layers.0.dropout2 "
    "encoder.layers.0.add:2 encoder.layers.0.norm2 encoder.layers.1.self_attn.transpose:1 "
    "encoder.layers.1.self_attn.multi_head_attention_forward encoder.layers.1.self_attn.attention_weights "
    "encoder.layers.1.self_attn.transpose:2 encoder.layers.1.dropout1 encoder.layers.1.add:1 "
    "encoder.layers.1.norm1 encoder.layers.1.linear1 encoder.layers.1.relu encoder.layers.1.dropout "
    "encoder.layers.1.linear2 encoder.layers.1.dropout2 encoder.layers.1.add:2 encoder.layers.1.norm2",
    image(2, 4, 8),
)
class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.encoder(x)


def _packed() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 5, 3), torch.tensor([2, 5, 3])


ZOO["PackedGRU"] = Specimen(
    PackedGRU,
    _packed,
    "to:1 sort sort[1] to:2 index_select:1 pack_padded_sequence pack_padded_sequence[1] "
    "scatter gru.slice:1 gru.zeros gru.slice:2 gru.gru gru.gru[1] gru.reset_gate_l0 gru.update_gate_l0 "
    "gru.new_gate_l0 gru.hidden_l0 gru.reset_gate_l0_reverse gru.update_gate_l0_reverse "
    "gru.new_gate_l0_reverse gru.hidden_l0_reverse gru.index_select pad_packed_sequence "
    "pad_packed_sequence[1] index_select:2 cpu slice",
)
ZOO["Cells"] = Specimen(
    Cells,
    image(2, 3),
    "first first[1] first.input_gate first.forget_gate first.cell_gate first.output_gate first.cell "
    "first.hidden second second.reset_gate second.update_gate second.new_gate second.hidden third "
    "third.hidden",
)
