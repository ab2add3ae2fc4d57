"""What to measure inside a model, layer by layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.transformer.model import Transformer
from labs.transformer.train import Batch


def layer_gradients(model: Transformer, batch: Batch) -> list[float]:
    """Length of the loss's gradient with respect to all parameters of each layer."""
    inputs, targets = batch
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    lengths = []
    for block in model.blocks:
        gradients = torch.autograd.grad(loss, list(block.parameters()), retain_graph=True)
        lengths.append(math.hypot(*(float(gradient.norm()) for gradient in gradients)))
    return lengths


def rms(resid: Tensor) -> float:
    """Root mean square of all numbers of a stream: its typical size."""
    return float(resid.detach().square().mean().sqrt())


def diversity(resid: Tensor) -> float:
    """How far the tokens of a sequence differ: ||h - mean over tokens of h|| / ||h||.

    0: all tokens are the same; 1: they have nothing in common. The mean over sequences.
    """
    # resid: (batch, seq_len, d_model)
    own = resid.detach() - resid.detach().mean(dim=1, keepdim=True)
    return float((own.norm(dim=(1, 2)) / resid.detach().norm(dim=(1, 2))).mean())
