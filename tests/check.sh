#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the preset "dev" and runs every test of it. Arguments go to ctest, e.g. -R unit/ or -LE slow.
set -eu
cd "$(dirname "$0")/.."

tests/setup.sh
cmake --preset dev >/dev/null
cmake --build --preset dev -- -j 2 --quiet
exec ctest --test-dir build/dev --no-tests=error --output-on-failure -j 2 "$@"
