#!/usr/bin/env bash
# Ray writes on the stdout of a program that has told it to send nothing there.
#
# Seen with ray 2.60.0 on Python 3.11.
#
# The usual guess: with `log_to_driver=False` and `logging_level="error"` nothing of Ray stands on
# the driver's stdout, as its description says that the output of the workers is then kept from the
# driver, and its own log goes to stderr; so a program that prints JSON may use Ray.
#
# What happens: when a worker dies, a paragraph that begins "(raylet) A worker died or was killed",
# with colour codes, is printed on the driver's stdout by a thread, at whatever moment, although
# the task is retried and succeeds. It breaks the document in which it lands.
#
# What helps: `contextlib.redirect_stdout(sys.stderr)` from `ray.init` to `ray.shutdown`, and
# printing afterwards.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'ray==2.60.0'

cat > "$folder/driver.py" <<'PYTHON'
import contextlib
import os
import signal
import sys
import time

import ray

flag, is_redirected = sys.argv[1], sys.argv[2] == "redirected"


@ray.remote(max_retries=1)
def killed_once():
    if not os.path.exists(flag):
        open(flag, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


with contextlib.redirect_stdout(sys.stderr) if is_redirected else contextlib.nullcontext():
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
    value = ray.get(killed_once.remote())
    time.sleep(3)
    ray.shutdown()
print(value)
PYTHON

export RAY_USAGE_STATS_ENABLED=0 RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=0
"$folder/venv/bin/python" -c 'import ray; print(f"ray {ray.__version__}")'
plain=$("$folder/venv/bin/python" "$folder/driver.py" "$folder/one" plain 2> /dev/null)
diverted=$("$folder/venv/bin/python" "$folder/driver.py" "$folder/two" redirected 2> /dev/null)
echo "stdout of a program that prints 1: ${#plain} characters"
echo "the same with stdout redirected meanwhile: ${#diverted} characters"

if [[ $plain == *"A worker died"* && $plain == *1 && $diverted == 1 ]]; then
    echo "as described"
else
    echo "no longer so"
    exit 1
fi
