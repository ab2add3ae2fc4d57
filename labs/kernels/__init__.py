"""Attention three times: written out, tile by tile, and as a Triton kernel.

``reference`` materialises every score, ``online_softmax`` is FlashAttention in plain PyTorch,
``flash_attention`` the same mathematics on a GPU. All three take the same arguments.
"""
