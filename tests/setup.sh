#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that building and testing need and that are missing. Silent and quick if none is.
set -eu

packages=(
  gcc cmake ninja-build pkg-config git
  libarchive-dev libssl-dev libcurl4-openssl-dev libyaml-dev libcyaml-dev libjansson-dev libsystemd-dev
  libmicrohttpd-dev libseccomp-dev libcmocka-dev libzstd-dev
  zstd openssl curl nginx-light python3 python3-cryptography python3-yaml scdoc ca-certificates systemd prometheus gnuplot-nox
  softhsm2 libengine-pkcs11-openssl
  clang clang-format clang-tidy libclang-rt-14-dev cppcheck shellcheck
)
# Often there from elsewhere than Debian: what counts is the command.
for pair in node=nodejs npm=npm; do
  command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
done

missing_packages() {
  dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' | sort -u | comm -13 - <(printf '%s\n' "${packages[@]}" | sort -u)
}

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || {
  echo "setup: this is not a Debian system; install what corresponds to: ${missing[*]}" >&2
  exit 1
}
if [ "$(id -u)" -ne 0 ]; then
  echo "setup: packages are missing; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

install() {
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends \
    -o Dpkg::Use-Pty=0 "${missing[@]}" >&2
}
echo "setup: installing ${missing[*]}" >&2
# The package lists may be fresh enough; only if not, they are fetched anew.
install || { apt-get update --quiet --quiet >&2 && install; } || {
  echo "setup: apt-get could not install ${missing[*]} (see above); check the network and /etc/apt/sources.list" >&2
  exit 1
}
