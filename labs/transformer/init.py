"""Starting values. They decide how large signals and gradients are before any training."""

from __future__ import annotations

from torch import Generator, nn

from labs.transformer.config import Init
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.positions import BucketBiases, LearnedPositions

SMALL_STD = 0.05
"""Of every number under ``init="small"``; Xavier gives a 32 x 32 matrix about 0.18."""


def initialise(model: nn.Module, init: Init, generator: Generator) -> None:
    """Draw all weights of the model anew; biases start at 0, gains at 1.

    ``xavier``: a matrix is uniform with variance 2 / (inputs + outputs), which keeps the scale
    of signals and gradients through one layer. Token embeddings have standard deviation 1,
    learned positions and biases 0.3, so that at first a token says more than its place.

    ``small``: everything is normal with one small standard deviation, so that at first each
    sublayer adds next to nothing to the stream.

    A matrix that embeds tokens and unembeds them too starts as the unembedding would.

    A blank model is left as it is.
    """
    if any(parameter.is_meta for parameter in model.parameters()):
        return
    for module in model.modules():
        if isinstance(module, nn.Linear):
            if init == "xavier":
                nn.init.xavier_uniform_(module.weight, generator=generator)
            else:
                nn.init.normal_(module.weight, std=SMALL_STD, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            std = 1.0 if init == "xavier" else SMALL_STD
            nn.init.normal_(module.weight, std=std, generator=generator)
        elif isinstance(module, LearnedPositions | BucketBiases):
            std = 0.3 if init == "xavier" else SMALL_STD
            nn.init.normal_(module.table, std=std, generator=generator)
        elif isinstance(module, LayerNorm):
            nn.init.ones_(module.gain)
            nn.init.zeros_(module.bias)
        elif isinstance(module, RMSNorm):
            nn.init.ones_(module.gain)
