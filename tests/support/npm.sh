#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# npm.sh [PACKAGE VERSION]: installs an npm package that tests need beneath build/, at exactly this version,
# unless it is there, and prints the directory. Each has a directory of its own: npm removes from one what it
# was not asked for.
set -eu
package=${1:-@phala/dcap-qvl}
version=${2:-0.3.9}

cd "$(dirname "$0")/../.."
directory=build/npm
[ $# -eq 0 ] || directory=build/npm-${package//[@\/]/-}
mkdir -p "$directory"
# Tests of several builds may want it at once.
exec 9>"$directory/.lock"
flock --wait 120 9
if ! grep --quiet --fixed-strings "\"version\": \"$version\"" "$directory/node_modules/$package/package.json" 2>/dev/null; then
  timeout --kill-after=5 90 npm install --no-save --no-package-lock --no-audit --no-fund --silent --prefix "$directory" "$package@$version" 9>&- ||
    { echo "npm.sh: npm could not install $package $version; check the network and npm's registry setting" >&2; exit 1; }
fi
echo "$PWD/$directory"
