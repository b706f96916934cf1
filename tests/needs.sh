# shellcheck shell=bash
# What the stages of ./tests/run need, and how it is installed where that can be done. Sourced by it; $stage is the stage
# that asks.

NODE_MIN=20
LOCK_WAIT_S=300

# has PROGRAM: whether it is on the PATH. What bash knows by the same name, such as `kill` or a function of this script,
# is not what a test can start.
has() { type -P "$1" >/dev/null; }

# skip REASON: ends the stage without a result.
skip() {
  echo "$*" >"$LOGS/$stage.skip"
  exit 77
}

# inapplicable REASON: ends the stage without a result, because it says something on other machines only.
inapplicable() {
  echo "$*" >"$LOGS/$stage.inapplicable"
  exit 77
}

# update_lists: what there is to install, once a run. Whoever else reads it at the moment, as a machine does that has just
# been started, is waited for; apt-get itself waits for who installs.
update_lists() {
  [ -f "$LOGS/updated" ] && return
  local said late=$((SECONDS + LOCK_WAIT_S))
  until said=$(LC_ALL=C apt-get update 2>&1); do
    echo "$said"
    if [[ $said != *"Could not get lock"* ]] || ((SECONDS >= late)); then return 1; fi
    sleep 1
  done
  touch "$LOGS/updated"
}

# install_packages PACKAGE...: installs system packages, where that can be done. One stage at a time: two may run.
install_packages() {
  [ "$(id -u)" = 0 ] && has apt-get || return
  local status
  until mkdir "$LOGS/installing" 2>/dev/null; do sleep 1; done
  # With old lists it may be had as well.
  update_lists
  DEBIAN_FRONTEND=noninteractive apt-get --option "DPkg::Lock::Timeout=$LOCK_WAIT_S" \
    install --yes --no-install-recommends "$@"
  status=$?
  rm -rf "$LOGS/installing"
  return $status
}

# package COMMAND PACKAGE...: installs system packages unless the command is there.
package() {
  local command=$1
  shift
  has "$command" && return
  install_packages "$@"
  has "$command" || skip "$command is not installed; as root, apt-get install $*"
}

# component NAME COMMAND: installs a part of the toolchain that the smallest ones lack.
component() {
  cargo "$2" --version >/dev/null 2>&1 || rustup component add "$1" || skip "$1 is not installed; rustup component add $1"
}

is_node_new() { [[ $(node --version) =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= NODE_MIN)); }

# need_node: Node.js and npm. Where the system has an old one, as Debian 12 does, a new one comes by npm.
need_node() {
  package node nodejs npm
  package npm npm
  is_node_new && return
  local kind
  case $(uname -m) in x86_64) kind=x64 ;; aarch64) kind=arm64 ;; *) kind=$(uname -m) ;; esac
  npm install --prefix "$TOOLS/node" --ignore-scripts --no-audit --no-fund "node-linux-$kind@22" &&
    mkdir -p "$TOOLS/bin" && ln -sf "$TOOLS/node/node_modules/node-linux-$kind/bin/node" "$TOOLS/bin/node"
  hash -r
  is_node_new || skip "Node.js $NODE_MIN or newer is not installed; this one is $(node --version)"
}

need_chromium() {
  local name
  for name in chromium chromium-browser google-chrome-stable google-chrome; do has "$name" && return; done
  package chromium chromium
}

need_firefox() {
  has firefox || package firefox-esr firefox-esr
}

# need_pywebtransport: a library that speaks later drafts of WebTransport than browsers do, in a folder of its own with an
# interpreter that finds it there.
need_pywebtransport() {
  local version=0.21.1 pip=$TOOLS/pip site name python=
  site=$TOOLS/pywebtransport-$version
  export ANTEROOM_PYWEBTRANSPORT=$site/interpreter
  "$ANTEROOM_PYWEBTRANSPORT" -c 'import pywebtransport' && return
  package python3 python3
  for name in python3 python3.14 python3.13 python3.12; do
    if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
      python="exec $(command -v "$name")"
      break
    fi
  done
  [ -n "$python" ] || python=$(newer_python) || skip "Python 3.12 is not installed, and Debian 13's cannot be had"
  python3 -c 'import ensurepip' || install_packages python3-venv
  python3 -m venv "$pip" || skip "python3-venv is not installed; as root, apt-get install python3-venv"
  # One file of it serves all versions from 3.12 on; the one that pip itself runs on does not matter.
  "$pip/bin/pip" install --target "$site" --upgrade --no-deps --only-binary :all: --python-version 3.13 \
    --ignore-requires-python "pywebtransport==$version" || skip "pip cannot install pywebtransport; is there a network?"
  printf '#!/bin/sh\nexport PYTHONPATH=%q\n%s "$@"\n' "$site" "$python" >"$ANTEROOM_PYWEBTRANSPORT"
  chmod +x "$ANTEROOM_PYWEBTRANSPORT"
}

# newer_python: prints the command that runs the Python of Debian 13. On an older Debian that one is unpacked into a
# folder of its own, with all that it needs down to the C library; the system stays as it is.
newer_python() {
  local apt=$TOOLS/debian-13 root=$TOOLS/debian-13/root keys=/usr/share/keyrings/debian-archive-keyring.gpg mirror
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1)
  [ -n "$mirror" ] && [ -f "$keys" ] && has apt-get && has dpkg-deb || return
  if ! compgen -G "$root/usr/bin/python3.13" >/dev/null; then
    mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$root"
    : >"$apt/status"
    echo "deb [signed-by=$keys] ${mirror% } trixie main" >"$apt/sources.list"
    cat >"$apt/apt.conf" <<END
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
END
    local -x APT_CONFIG=$apt/apt.conf
    apt-get update >&2 && apt-get install --download-only --yes --no-install-recommends python3 >&2 || return
    find "$apt/cache/archives" -name '*.deb' -exec dpkg-deb --extract {} "$root" \; || return
  fi
  echo "PYTHONHOME='$root/usr' exec $(echo "$root"/usr/lib*/ld-linux-*.so.*) --library-path" \
    "$(echo "$root"/usr/lib/*-linux-gnu) $root/usr/bin/python3.13"
}
