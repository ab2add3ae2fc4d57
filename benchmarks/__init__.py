"""How fast it is: each figure beside a named baseline of the same run."""

import os

# An installed program has its byte code. Where this variable keeps Python from writing it, every
# start in a checkout compiles the whole program anew, and the libraries beside it do not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
