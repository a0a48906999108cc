"""The model as it is exported: one transformer with one head, as Hugging Face loads it.

Concept: this file is copied into every exported folder as `modeling_ratchet.py`. No class of
transformers reads means over a text's tokens, as this model does, so the folder carries its own:
pass `trust_remote_code=True`. It needs torch and transformers, and nothing of Ratchet's.

Use:
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    asked = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    model.config.id2label[int(model(**asked).logits.argmax(1)[0])]
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class RatchetConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Base, head and labels.

    Args:
        base: the config of the transformer, its `model_type` included.
        head: "linear", "plain", "projected" or "fourier".
        tensors: the head's tensors, name -> [shape, dtype].
        read: above how many layers means over the tokens are read, beside the last one.
        slope: of the leaky ReLU, below zero.
        **more: what every config has.
    """

    model_type = "ratchet"

    def __init__(
        self,
        base: dict[str, Any] | None = None,
        head: str = "linear",
        tensors: dict[str, Any] | None = None,
        read: tuple[int, ...] = (),
        slope: float = 0.5,
        **more: Any,
    ) -> None:
        self.base, self.head, self.tensors = base or {}, head, tensors or {}
        self.read, self.slope = list(read), slope
        super().__init__(**more)


class Head(nn.Module):
    """The head's tensors, as buffers; `logits` says what they mean."""

    def __init__(self, config: RatchetConfig) -> None:
        super().__init__()
        self.kind, self.slope, self.means = config.head, config.slope, 1 + len(config.read)
        for name, (shape, dtype) in config.tensors.items():
            self.register_buffer(name, torch.zeros(shape, dtype=getattr(torch, dtype)))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, (n, labels), of means over the tokens, (n, means * hidden_size)."""
        tensor = self.get_buffer
        if self.kind == "linear":
            return nn.functional.linear(features, tensor("weight"), tensor("bias"))
        spread = features.reshape(len(features), self.means, -1)
        spread = nn.functional.normalize(spread, dim=2).flatten(1) / self.means**0.5
        if self.kind == "projected":  # by random signs, eight a byte, the first one highest
            places = torch.arange(7, -1, -1, device=features.device)
            bits = tensor("signs")[..., None].int() >> places & 1
            signs = bits.flatten(1)[:, : tensor("weight").shape[1]].float() * 2 - 1
            spread = nn.functional.leaky_relu(spread @ signs, self.slope)
        elif self.kind == "fourier":
            waves = (spread @ tensor("projection") + tensor("phase")).cos()
            spread = waves * (2 / waves.shape[1]) ** 0.5
        return tensor("sharpness") * (spread @ tensor("weight").T + tensor("bias"))


class RatchetForSequenceClassification(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A transformer whose states' means over a text's tokens go into one head."""

    config_class = RatchetConfig
    base_model_prefix = "base"

    def __init__(self, config: RatchetConfig) -> None:
        super().__init__(config)
        named = dict(config.base)
        inner = AutoConfig.for_model(named.pop("model_type"), **named)
        self.base = AutoModel.from_config(inner)  # type: ignore[no-untyped-call]
        if hasattr(self.base, "pooler"):
            self.base.pooler = None
        self.head = Head(config)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **ignored: Any,
    ) -> SequenceClassifierOutput:
        """Return logits, and the loss where labels are given."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.clone()
        mask[mask.sum(1) == 0, :1] = 1  # a text without tokens is one token of padding
        wanted = bool(self.config.read)
        found = self.base(input_ids=input_ids, attention_mask=mask, output_hidden_states=wanted)
        states = [found.hidden_states[place] for place in self.config.read]
        weights = mask.unsqueeze(-1).float()
        means = [
            (each.float() * weights).sum(1) / weights.sum(1)
            for each in [*states, found.last_hidden_state]
        ]
        logits = self.head(torch.cat(means, 1))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
