#!/bin/bash
# Builds a stand-in for the Node image that the Dockerfile names, for machines that reach Debian's packages and npm's
# packages but no image registry. It is Debian from debootstrap, the Node binary that `npm ci` has installed, and this
# machine's npm, laid out as in the real image: /usr/local, a user `node` with uid 1000.
#
# What the machine needs to reach its package registry goes into the image, so that the Dockerfile stays free of it: the
# certificate bundle, and the npm settings listed below. Credentials are never copied.
#
# Usage: build.sh IMAGE NODE_VERSION (as root; scripts/docker-image.ts calls it when the image cannot be pulled).
set -euo pipefail

fail() {
  echo "$1" >&2
  exit 1
}

[ $# -eq 2 ] || fail "Usage: build.sh IMAGE NODE_VERSION, for example build.sh node:26-bookworm-slim 26.10.0."
image=$1
node_version=$2
root=$(cd "$(dirname "$0")/../.." && pwd)

[ "$(id -u)" -eq 0 ] || fail "Building the stand-in for $image needs root, because debootstrap does."

suite=$(sed -nE 's/^[^:]+:[0-9.]+-([a-z]+)(-slim)?$/\1/p' <<<"$image")
[ -n "$suite" ] || fail "The image name $image does not say which Debian release it holds (expected NAME:VERSION-RELEASE)."

case $(uname -m) in
  x86_64) platform=x64 ;;
  aarch64) platform=arm64 ;;
  *) fail "There is no stand-in for $image on $(uname -m): only x86_64 and aarch64 are known." ;;
esac

node=$root/node_modules/node-linux-$platform/bin/node
[ -x "$node" ] || fail "The Node binary of the package node-linux-$platform is missing: run npm ci first."
[ "$("$node" --version)" = "v$node_version" ] ||
  fail "The Node binary in node_modules is $("$node" --version), but package.json asks for v$node_version: run npm ci first."

npm=$(readlink -f "$(command -v npm)")
npm=${npm%/bin/npm-cli.js}
[ -f "$npm/bin/npm-cli.js" ] || fail "The npm on the PATH ($npm) is not a plain installation of npm, so it cannot be copied."

if ! command -v debootstrap >/dev/null; then
  command -v apt-get >/dev/null || fail "debootstrap is missing, and there is no apt-get to install it with."
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null ||
    fail "debootstrap is missing, and apt-get could not install it."
fi

work=$(mktemp -d)
# Never follow a mount out of the directory: an interrupted debootstrap may leave /proc mounted in it.
trap 'rm -rf --one-file-system "$work"' EXIT
fs=$work/fs

# The mirror this machine already uses, or debootstrap's own default.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | head -n 1 || true)
# libatomic1 is the one library that Node 26 needs and minbase lacks.
debootstrap --variant=minbase --include=libatomic1 "$suite" "$fs" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 ||
  fail "debootstrap of $suite failed: $(tail -n 5 "$work/debootstrap.log")"
rm -rf "$fs"/var/cache/apt/*.bin "$fs"/var/cache/apt/archives/*.deb "$fs"/var/lib/apt/lists/* "$fs"/var/log/* \
  "$fs"/usr/share/{doc,man,locale,info}

install -D -m 755 "$node" "$fs/usr/local/bin/node"
mkdir -p "$fs/usr/local/lib/node_modules"
cp -r "$npm" "$fs/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$fs/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$fs/usr/local/bin/npx"
chroot "$fs" groupadd --gid 1000 node
chroot "$fs" useradd --uid 1000 --gid node --shell /bin/bash --create-home node

changes=(
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  --change "ENV NODE_VERSION=$node_version"
  --change 'CMD ["node"]'
  --change "LABEL torpor.stand-in=$node_version"
)

certificates=${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -f "$certificates" ]; then
  install -D -m 644 "$certificates" "$fs$bundle"
  changes+=(--change "ENV NODE_EXTRA_CA_CERTS=$bundle")
fi

# Only settings that say where packages are; none that says who is asking.
mkdir -p "$fs/usr/local/etc"
(cd "$root" && npm config ls --json 2>/dev/null) | BUNDLE=$([ -f "$certificates" ] && echo "$bundle") "$node" -e '
  const config = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const wanted = /^(registry|@[^:]+:registry|replace-registry-host|omit-lockfile-registry-resolved|strict-ssl)$/;
  for (const [key, value] of Object.entries(config)) {
    const credentials = typeof value === "string" && /\/\/[^/]*@/.test(value);
    if (wanted.test(key) && value !== null && !credentials) console.log(`${key}=${value}`);
  }
  if (process.env.BUNDLE) console.log(`cafile=${process.env.BUNDLE}`);
' >"$fs/usr/local/etc/npmrc"

tar -C "$fs" --numeric-owner -c . | docker import "${changes[@]}" - "$image" >/dev/null ||
  fail "The Docker engine did not accept the stand-in for $image."
echo "Built a stand-in for $image from Debian $suite and Node $node_version."
