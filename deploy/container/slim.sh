#!/bin/sh
# Remove from a virtual environment what neither serving nor training needs: `slim.sh VENV`. The image runs every command
# once on what is left, and `make container-test` uses it.
set -eu

"$1"/bin/pip uninstall --quiet --yes poetry-core setuptools
cd "$1"/lib/python3.*/site-packages

# Tests and their data; `testing` and `_testing` are imported by other code and stay.
find . -depth -type d \( -name tests -o -name test \) -exec rm -r {} +

# Sources and headers, for whoever compiles against these packages or changes them.
find . -type f -regex '.*\.\(pyx\|pxd\|pxi\|pyi\|h\|hpp\|c\|cc\|cpp\|a\)' -delete

# Arrow's clients of remote services.
rm pyarrow/libarrow_flight.so* pyarrow/libarrow_python_flight.so* pyarrow/_flight.* pyarrow/libarrow_s3.so* pyarrow/_s3fs.*

# Symbols for debuggers. The libraries of others that wheels bring along were rewritten once: better not again.
find . -type f -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} +

rm -r pip pip-*.dist-info "$1"/bin/pip*
find . -depth -type d \( -empty -o -name __pycache__ \) -exec rm -r {} +
