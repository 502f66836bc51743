#!/bin/sh
# Makes sure that `node` is one that can run Torpor, before npm's scripts start it. npm brings Node 26 as an optional
# package, and that build needs libatomic, which a bare Debian does not have: installed here when we may.
set -eu

runs() {
  node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 3)' >/dev/null 2>&1
}

if runs; then exit 0; fi

if ! node --version >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "torpor: installing libatomic1, which Node needs on this machine." >&2
    { apt-get install -y -qq libatomic1 || { apt-get update -qq && apt-get install -y -qq libatomic1; }; } >/dev/null 2>&1 || true
  fi
  if runs; then exit 0; fi
  echo "torpor: the Node that npm installed does not start; install libatomic1 (Debian: apt-get install libatomic1)." >&2
  node --version >&2 || true
  exit 1
fi

echo "torpor: Node $(node --version) is too old; Torpor needs Node 24 or newer." >&2
exit 1
