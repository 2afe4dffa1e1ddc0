# shellcheck shell=sh
# What the scripts share. Sourced, never run: it leaves the caller in the root of the checkout.

cd "$(dirname "$0")/.." || exit
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin  # apt-get and the database servers look there, a plain user's PATH does not
export PATH

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "${0##*/}: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "only root may do this, and sudo is missing: $*"
    fi
}

# Installs Debian packages; asks for newer package lists only when the ones at hand do not do.
install_packages() {
    command -v apt-get >/dev/null || die "missing here: $*; install it with this system's package manager and try again"
    say "Installing with apt-get: $*"
    if ! apt_install "$@" 2>/dev/null; then
        as_root apt-get update -qq
        apt_install "$@"
    fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}

# Prints the first interpreter among the names given that is there, runs, and is new enough.
find_python() {
    for candidate in "$@"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "none of these is a Python of version 3.11 or newer: $*"
}

# Runs DIRECTORY/NAME.py with the arguments that follow, or lists what there is.
run_program() {
    directory=$1
    shift
    if [ ! -f "$directory/${1:-}.py" ]; then
        say "usage: script/${0##*/} NAME [ARGUMENTS], where NAME is one of:"
        for program in "$directory"/*.py; do
            [ ! -f "$program" ] || basename "$program" .py >&2
        done
        exit 2
    fi
    script/setup dev
    name=$1
    shift
    PYTHONPATH=$PWD exec .venv/bin/python "$directory/$name.py" "$@"
}
