# Run inside the virtual environment of the README (or put its bin/ first on PATH).
.PHONY: help anki bench check format gpu lint pictures test verify

help:  # list the targets
	@grep -E '^[a-z]+:.*#' Makefile | sed 's/:.*# /\t/'

check: lint test  # all that must be green before a commit

lint:  # formatting, style, types and who may import whom
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test:  # the tests alone
	pytest

format:  # format and mend what ruff can
	ruff format .
	ruff check --fix .

gpu:  # what only a machine with a CUDA GPU can show: the kernel's tests there, and its speed
	pytest -m gpu
	@if command -v compute-sanitizer >/dev/null; then \
	  PYTORCH_NO_CUDA_MEMORY_CACHING=1 compute-sanitizer --error-exitcode 1 \
	    python -m pytest -m gpu -k 'test_case and 113x203'; \
	else echo "compute-sanitizer is not on PATH: nothing watched the kernel's memory accesses"; fi
	python -m benchmarks.flash_attention

ANKI = build/anki
anki:  # hold what we read and write against the real Anki (AGPL), in an environment of its own
	test -x $(ANKI)/bin/python || python3 -m venv $(ANKI)
	$(ANKI)/bin/pip install --quiet anki==26.9.3
	$(ANKI)/bin/python tests/exchange/with_anki.py $(ANKI)/packages
	python -m tests.exchange.from_anki $(ANKI)/packages
	python -m tests.exchange.sent_to_anki $(ANKI)/sent
	$(ANKI)/bin/python tests/exchange/into_anki.py $(ANKI)/sent

bench:  # the figures of benchmarks/README.md, measured here
	python -m benchmarks

pictures:  # the pictures of docs/screens.md, taken again
	python -m docs.screenshots

verify:  # run every lab of the course and compare its verdicts with the recorded ones
	studykit verify
