# Run inside the virtual environment of the README (or put its bin/ first on PATH).
.PHONY: help check format test verify

help:  # list the targets
	@grep -E '^[a-z]+:.*#' Makefile | sed 's/:.*# /\t/'

check:  # all that must be green before a commit
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	pytest

format:  # format and mend what ruff can
	ruff format .
	ruff check --fix .

test:  # the tests alone
	pytest

verify:  # run every lab of the course and compare its verdicts with the recorded ones
	studykit verify
