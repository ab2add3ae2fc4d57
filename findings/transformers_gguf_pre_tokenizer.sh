#!/usr/bin/env bash
# transformers applies a GGUF file's pre-tokenizer for some names and GPT-2's for others, silently.
#
# Seen with transformers 5.24.0, gguf 0.19.0, tokenizers 0.23.3, torch 2.13.0 (CPU) on Python
# 3.11. The download is about 240 MB, most of it torch, which reading a GGUF file's tokenizer needs.
#
# The usual guess: `from_pretrained(folder, gguf_file=…)` gives the tokens that the model was
# trained with. The file names its pre-tokenizer (`tokenizer.ggml.pre`), and a name that is not
# known would be refused, as an unknown architecture is.
#
# What happens: "llama-bpe" gets its own splitting. "smollm", which by llama.cpp's rules takes every
# digit by itself before anything else, gets GPT-2's, without a word. So "12" becomes one token where
# merges allow it, and a digit after two line breaks tears them apart: other ids than the model saw
# in training, and losses that are a little too high, in text with numbers only.
#
# What helps: set the pre-tokenizer of the result by hand (`Digits(individual_digits=True)` before
# `ByteLevel` for "smollm"), or load the tokenizer from the original repository.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    'transformers==5.24.0' 'gguf==0.19.0' 'tokenizers==0.23.3' 'torch==2.13.0' 'numpy==2.3.5'
cd "$folder"

cat > split.py <<'PYTHON'
import sys

from gguf import GGUFWriter
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

name = sys.argv[1]
line_break = bytes_to_unicode()[ord("\n")]
tokens = ["<|endoftext|>", *bytes_to_unicode().values(), 2 * line_break, "12"]
writer = GGUFWriter("model.gguf", "llama")
writer.add_block_count(1)
writer.add_context_length(8)
writer.add_embedding_length(8)
writer.add_feed_forward_length(8)
writer.add_head_count(1)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(len(tokens))
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre(name)
writer.add_token_list(tokens)
writer.add_token_types([3] + [1] * (len(tokens) - 1))
writer.add_token_merges([f"{line_break} {line_break}", "1 2"])
writer.add_bos_token_id(0)
writer.add_eos_token_id(0)
writer.add_unk_token_id(0)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

tokenizer = AutoTokenizer.from_pretrained(".", gguf_file="model.gguf")
if len(sys.argv) > 2:
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
print(len(tokenizer.tokenize("12")), len(tokenizer.tokenize("\n\n0")))
PYTHON

expect() {
    what=$1 wanted=$2
    shift 2
    found=$("$folder/venv/bin/python" split.py "$@" 2>"$folder/errors" | tail -1) || true
    echo "transformers 5.24.0, $what: \"12\" and two line breaks with a 0 become $found tokens"
    [ "$found" = "$wanted" ] || { cat "$folder/errors"; echo "changed: expected $wanted"; exit 1; }
}

expect 'a file that says gpt-2' '1 3' gpt-2
expect 'a file that says llama-bpe' '1 2' llama-bpe
expect 'a file that says smollm' '1 3' smollm
expect 'the same with digits taken one by one first' '2 2' smollm by-hand
echo "as found: smollm is split as GPT-2 is, and nothing says so"
