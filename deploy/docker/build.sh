#!/usr/bin/env bash
# Builds the image without Docker, without a daemon and without a registry of images: mmdebstrap makes the base that the
# Dockerfile names, of Debian's packages, and buildah builds in a chroot. Needs root, and:
#   apt-get install --no-install-recommends buildah mmdebstrap
#   deploy/docker/build.sh [TAG [OPTION OF buildah build]...]
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=${1:-vqaserve:cpu}
shift || true
dockerfile=deploy/docker/Dockerfile
base=docker.io/library/$(sed -n 's/^FROM //p' "$dockerfile")
suite=${base##*-}

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
  work=$(mktemp -d)
  trap 'rm -r "$work"' EXIT
  mmdebstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python-is-python3 "$suite" "$work/base.tar" \
    http://deb.debian.org/debian "deb http://deb.debian.org/debian-security $suite-security main"
  container=$(buildah from scratch)
  buildah add "$container" "$work/base.tar" / >/dev/null
  buildah commit --rm "$container" "$base" >/dev/null
fi
# `docker` is the format that has HEALTHCHECK.
buildah build --isolation chroot --format docker --layers --file "$dockerfile" --tag "$tag" "$@" .
