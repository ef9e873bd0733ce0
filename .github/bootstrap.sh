#!/usr/bin/env bash
# Makes the tool's own environment, outside the checkout: a venv from the hashed lock, and a launcher that starts
# Python isolated (-I), so that no file of the repository and no PYTHON… variable can take a module's place.
set -euo pipefail

action=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
tool="${RUNNER_TEMP:?RUNNER_TEMP is not set; this script runs inside a GitHub job}/ci-itest-tool"
[[ -x $tool/ci-itest ]] && exit 0

# Variables of the workflow can lead any Python that starts here into the checkout, those that uv starts to compile too.
# shellcheck disable=SC2086
unset ${!PYTHON@} UV_COMPILE_BYTECODE

# Outside the checkout: neither uv nor pip may find settings of the repository.
cd "$RUNNER_TEMP"
uv=$(command -v uv || true)
if [[ -z $uv ]]; then
  python3 -I -m venv --without-pip "$tool-uv"
  python3 -I -m pip --python "$tool-uv/bin/python" install --quiet --disable-pip-version-check \
    --require-hashes --requirement "$action/.github/uv-requirements.txt"
  uv="$tool-uv/bin/uv"
fi
"$uv" venv --quiet --python '>=3.11' "$tool"
"$uv" pip sync --quiet --python "$tool/bin/python" --require-hashes "$action/.github/action-requirements.txt"

# The package is used where it lies: a path file instead of a build.
site=$("$tool/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$action" > "$site/ci_itest.pth"
printf '#!/usr/bin/env bash\nexec %q -I -m ci_itest "$@"\n' "$tool/bin/python" > "$tool/ci-itest"
chmod +x "$tool/ci-itest"
