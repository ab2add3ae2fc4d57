#!/usr/bin/env bash
# PEFT's adapters in an nn.TransformerEncoder learn in training and do nothing in eval mode.
#
# Seen with peft 0.21.2, transformers 5.24.0, torch 2.13.0 (CPU) on Python 3.11. The download is
# about 250 MB.
#
# The usual guess: PEFT's guide for models of one's own says to name the linear layers; they are
# replaced by ones that add the adapter. What was trained is what is evaluated: without dropout,
# `eval` changes nothing, and the adapter counts until it is disabled.
#
# What happens: the loss falls in training. After `model.eval()` it is that of the base model to the
# last digit, as if the adapter were disabled, with and without `no_grad`; merged into the weights
# the same adapter counts again. In eval mode nn.TransformerEncoderLayer calls none of its linear
# layers: it hands their `weight` and `bias` to a fused kernel if none of them needs a gradient. An
# adapted layer answers `weight` with the frozen base weight, so nothing needs one, and nothing says
# that there is more to it. (Forward hooks do make the layer decline the fused kernel.) So it looks
# as if the adapter overfitted or had not been loaded.
#
# What helps: `torch.backends.mha.set_fastpath_enabled(False)`, or `merge_and_unload` first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
  'peft==0.21.2' 'transformers==5.24.0' 'torch==2.13.0' 'numpy==2.3.5'

"$folder/venv/bin/python" - <<'PYTHON'
import peft
import torch
import torch.nn.functional as F
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn

print(
    f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}"
)
torch.manual_seed(0)


class Threes(nn.Module):
    """Says how often the token 3 stands in a sequence: never, once, or more often."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.head = nn.Linear(32, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.embedding(ids)).mean(1))


ids = torch.randint(1, 20, (256, 10))
labels = (ids == 3).sum(1).clamp(max=2)
config = LoraConfig(r=8, lora_alpha=16, target_modules=["linear1", "linear2"])
model = get_peft_model(Threes(), config)
optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=1e-2)


def loss() -> torch.Tensor:
    return F.cross_entropy(model(ids), labels)


losses = {"train, before the first step": loss().item()}
for _ in range(150):
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
losses["train"] = loss().item()
model.eval()
losses["eval"] = loss().item()
with torch.no_grad():
    losses["eval, no_grad"] = loss().item()
    with model.disable_adapter():
        losses["eval, adapter disabled"] = loss().item()
    torch.backends.mha.set_fastpath_enabled(False)
    losses["eval, without the fused kernel"] = loss().item()
    torch.backends.mha.set_fastpath_enabled(True)
    model = model.merge_and_unload()
    losses["eval, merged"] = loss().item()
for name, value in losses.items():
    print(f"{name:30}  loss {value:.4f}")

base = losses["eval, adapter disabled"]
assert losses["train"] < base / 3, "it has learned nothing"
for name in ("eval", "eval, no_grad"):
    assert losses[name] == base, f"changed: the adapter counts in {name}"
for name in ("eval, without the fused kernel", "eval, merged"):
    assert abs(losses[name] - losses["train"]) < 1e-4, f"changed: {name}"
print("as found: in eval mode the trained adapter is passed over")
PYTHON
