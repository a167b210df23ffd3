#!/bin/sh
# Install rmod in its exact versions, with Ray, into a virtual environment of its own. Both images run this script; use it
# also on a machine without Docker.
#
#     docker/install.sh /opt/rmod               # PYTHON=python3.12 chooses another Python
#     TORCH_BACKEND=cu128 docker/install.sh /opt/rmod
#
# TORCH_BACKEND is cpu, cu128 or auto. Without it, torch comes from pip's package index.
set -eu

prefix=${1:?give the folder to install into, such as /opt/rmod}
source=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)

"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rmod needs Python 3.11 or later")'
test -x "$prefix/bin/python" || "${PYTHON:-python3}" -m venv "$prefix"

pip() {
    "$prefix/bin/python" -m pip --disable-pip-version-check "$@"
}

if [ -n "${TORCH_BACKEND:-}" ]; then
    pip install --quiet --no-cache-dir uv
    torch=$(sed -n 's/^\(torch==.*\)$/\1/p' "$source/requirements/lock.txt")
    "$prefix/bin/uv" pip install --python "$prefix/bin/python" --no-cache "$torch" --torch-backend="$TORCH_BACKEND"
fi
pip install --quiet --no-cache-dir -r "$source/requirements/lock.txt"
pip install --quiet --no-cache-dir --no-deps -r "$source/requirements/lock-nodeps.txt"
pip install --quiet --no-cache-dir --no-deps "$source"

# Check the installation: build one pair, list the codecs, import Ray and torch.
check=$(mktemp -d)
trap 'rm -rf "$check"' EXIT
RMOD_CACHE=$check/cache "$prefix/bin/rmod" build quick --library builtin --out "$check/out" --pairs train=1
"$prefix/bin/rmod" verify "$check/out"
"$prefix/bin/rmod" codec list
"$prefix/bin/python" -c 'import ray, torch; print("ray", ray.__version__, "torch", torch.__version__)'
