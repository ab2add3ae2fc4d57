"""Section 4: FlashAttention, from the bytes that it does not move to the kernel itself."""
