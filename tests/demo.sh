#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The main job before your eyes: two bundles with different quoting enclaves, a manager and a quote daemon on
# them, applications that ask for quotes all the time, and an update under that load: fetched over HTTPS,
# verified, staged, tested, swapped to, swapped back and forth; the manager killed, the serving daemon killed.
# Not one request may fail. Needs no SGX hardware and no privileges; takes about a minute after the build.
#
# usage: tests/demo.sh          with PSW_BIN=DIRECTORY the programs there are used instead of built
# The last line is "demo: N requests, M swaps, F failed"; exit status 1 if F > 0 or anything did not go as told.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/.." && pwd)
swapping_seconds=${DEMO_SWAPPING_SECONDS:-20}
steady_seconds=${DEMO_STEADY_SECONDS:-6}
step_deadline=20 # seconds that any single step may take

work=
bin=
started=() # every process that this script started, by id
requests=0
failed=0
swaps=0

say() {
    printf '%6.1f s  %s\n' "$(elapsed)" "$*"
}

elapsed() {
    local now=${EPOCHREALTIME/./}
    printf '%d.%d' $(((now - begin) / 1000000)) $(((now - begin) / 100000 % 10))
}

give_up() {
    printf 'demo: %s\n' "$*" >&2
    if [ -n "$work" ] && [ -s "$work/manager.log" ]; then
        printf 'demo: the last lines of the log:\n' >&2
        tail -n 20 "$work/manager.log" >&2
    fi
    exit 1
}

# Processes of quoted outlive their manager on purpose; here they are known by the work directory in their arguments.
generations() {
    local entry
    for entry in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$entry/cmdline" | grep -q "^[^ ]*quoted .*$work/run/"; then
            echo "${entry#/proc/}"
        fi
    done
}

clean_up() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in "${started[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "$work" ]; then
        for pid in $(generations); do
            kill -9 "$pid" 2>/dev/null || true
        done
        rm -rf "$work"
    fi
    exit "$status"
}

build() {
    "$source_dir/tests/setup.sh"
    echo "building (preset release) ..."
    (cd "$source_dir" && cmake --preset release && cmake --build --preset release) >"$work/build.log" 2>&1 || {
        tail -n 30 "$work/build.log" >&2
        exit 1
    }
    bin=$source_dir/build/release/bin
}

# field FILE NAME/NAME...: one member of a JSON document
field() {
    python3 -c 'import functools, json, sys
print(functools.reduce(lambda value, name: value[name], sys.argv[2].split("/"), json.load(open(sys.argv[1]))))' "$1" "$2"
}

# within SECONDS COMMAND...: repeats the command until it succeeds
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

ctl() {
    timeout "$step_deadline" "$bin/pswctl" "$@" --config "$work/manager.yaml"
}

make_platform_and_bundles() {
    "$bin/psw-bundle" sim-platform -o "$work/platform" >/dev/null
    "$bin/psw-bundle" sim --platform "$work/platform" --version 1.0 --qe-svn 8 --pce-svn 15 -o "$work/first.pswb" >/dev/null
    mkdir "$work/www"
    "$bin/psw-bundle" sim --platform "$work/platform" --version 2.0 --qe-svn 9 --pce-svn 16 -o "$work/www/second.pswb" >/dev/null
    say "made a simulated platform and two bundles for it: 1.0 (QE ISVSVN 8) and 2.0 (QE ISVSVN 9)"
}

port_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port")
}

start_https_server() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=demo \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$work/tls.key" -out "$work/tls.crt" 2>/dev/null
    cat >"$work/nginx.conf" <<CONFIG
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
    access_log off;
    client_body_temp_path $work/nginx-body;
    proxy_temp_path $work/nginx-proxy;
    fastcgi_temp_path $work/nginx-fastcgi;
    uwsgi_temp_path $work/nginx-uwsgi;
    scgi_temp_path $work/nginx-scgi;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $work/tls.crt;
        ssl_certificate_key $work/tls.key;
        root $work/www;
    }
}
CONFIG
    PATH=$PATH:/usr/sbin nginx -e "$work/nginx.log" -c "$work/nginx.conf" 2>/dev/null &
    started+=($!)
    within "$step_deadline" port_answers || give_up "nginx does not answer: $(cat "$work/nginx.log")"
    say "nginx serves bundle 2.0 at https://127.0.0.1:$port"
}

manager_answers_or_is_gone() {
    ctl status || ! kill -0 "$manager"
}

start_manager() {
    "$bin/psw-manager" --config "$work/manager.yaml" >>"$work/manager.log" 2>&1 &
    manager=$!
    started+=("$manager")
    within "$step_deadline" manager_answers_or_is_gone || give_up "the manager does not answer"
    ctl status >/dev/null || give_up "the manager did not start"
}

write_configuration() {
    mkdir -m 755 "$work/aesm"
    cat >"$work/manager.yaml" <<CONFIG
socket:
  path: $work/aesm/aesm.socket
store: $work/store
state: $work/state
runtime: $work/run
swap:
  soak: 1s
fetch:
  ca: $work/tls.crt
simulated: allow
trust: [$work/platform/trust.yaml]
CONFIG
}

# load NAME OPTION...: clients in the background; their account goes to $work/NAME.json
load() {
    local name=$1
    shift
    "$bin/aesm-load" --socket "$work/aesm/aesm.socket" --platform "$work/platform" --json --timeout 15s "$@" \
        >"$work/$name.json" 2>"$work/$name.err" &
    load_pid=$!
    started+=("$load_pid")
}

# account NAME PID: waits for the clients' end and adds up
account() {
    local name=$1 status=0
    wait "$2" || status=$?
    [ -s "$work/$name.json" ] || give_up "clients '$name' ended with status $status: $(cat "$work/$name.err")"
    requests=$((requests + $(field "$work/$name.json" requests)))
    local failures
    failures=$(field "$work/$name.json" failed)
    failed=$((failed + failures))
    if [ "$failures" -gt 0 ]; then
        printf 'clients %s: %s failed: %s\n' "$name" "$failures" "$(field "$work/$name.json" notes)"
    fi
}

latency() {
    printf 'p50 %s us, p99 %s us, p99.9 %s us, max %s us' "$(field "$work/$1.json" latency_us/p50)" \
        "$(field "$work/$1.json" latency_us/p99)" "$(field "$work/$1.json" latency_us/p99.9)" \
        "$(field "$work/$1.json" latency_us/max)"
}

# serving NAME/NAME...: a member of the serving generation's status
serving() {
    ctl status --json | python3 -c 'import functools, json, sys
generation, = (each for each in json.load(sys.stdin)["generations"] if each["role"] == "serving")
print(functools.reduce(lambda value, name: value[name], sys.argv[1].split("/"), generation))' "$1"
}

serving_is_not() {
    local now
    now=$(serving generation) && [ "$now" != "$1" ]
}

swap_to() {
    ctl swap "$@" >"$work/swap.out" 2>&1 || give_up "swap $*: $(cat "$work/swap.out")"
    swaps=$((swaps + 1))
}

install_first() {
    ctl stage "$work/first.pswb" >/dev/null 2>&1 || give_up "staging the first bundle"
    ctl swap 1.0 --soak 0 >/dev/null 2>&1 || give_up "the first bundle does not start"
    say "the manager runs; generation $(serving generation) serves bundle 1.0 (simulated)"
    inode=$(stat -c %i "$work/aesm/aesm.socket")
}

start_residents() {
    load residents --flow quote --target cached --clients 8 --rate 800 --duration 10m
    residents=$load_pid
    say "8 resident applications took target info from 1.0 and keep it for ever; they ask for 800 quotes a second"
}

measure_steady() {
    say "16 visitors ask for 1500 requests a second (init, size, quote with fresh target info) for $steady_seconds s"
    load steady --flow full --target fresh --clients 16 --rate 1500 --duration "${steady_seconds}s"
    account steady "$load_pid"
    say "steady: $(latency steady)"
}

update() {
    local digest
    digest=$(sha256sum "$work/www/second.pswb" | cut -d ' ' -f 1)
    load update --flow full --target fresh --clients 16 --rate 1500 --duration 10m
    ctl fetch "https://127.0.0.1:$port/second.pswb" --sha256 "$digest" --stage >"$work/fetch.out" 2>&1 ||
        give_up "fetch: $(cat "$work/fetch.out")"
    say "fetched 2.0 over HTTPS, verified, staged"
    ctl test 2.0 >"$work/test.out" 2>&1 || give_up "test: $(cat "$work/test.out")"
    say "tested 2.0: loads, initialises its key, quotes"
    swap_to 2.0
    say "swapped to 2.0 with a soak of one second; generation $(serving generation) serves"
    head -c $(($(stat -c %s "$work/www/second.pswb") / 2)) "$work/www/second.pswb" >"$work/broken.pswb"
    if ctl stage "$work/broken.pswb" >"$work/stage.out" 2>&1; then
        give_up "a bundle that is cut short was staged"
    fi
    say "a bundle that is cut short is refused: $(tail -n 1 "$work/stage.out")"
    kill "$load_pid"
    account update "$load_pid"
}

swap_back_and_forth() {
    say "swapping between 1.0 and 2.0 for $swapping_seconds s"
    load swapping --flow full --target fresh --clients 16 --rate 1500 --duration "${swapping_seconds}s"
    local before=$swaps version=1.0
    while kill -0 "$load_pid" 2>/dev/null; do
        swap_to "$version" --soak 0
        if [ "$version" = 1.0 ]; then version=2.0; else version=1.0; fi
        sleep 0.1
    done
    account swapping "$load_pid"
    say "swapping: $(latency swapping) over $((swaps - before)) swaps"
}

kill_the_manager() {
    local pid generation
    generation=$(serving generation)
    pid=$(serving pid)
    kill -9 "$manager"
    wait "$manager" 2>/dev/null || true
    sleep 1
    start_manager
    if [ "$(serving generation)" != "$generation" ] || [ "$(serving pid)" != "$pid" ]; then
        give_up "the new manager did not adopt generation $generation"
    fi
    say "killed the manager (SIGKILL); the daemon served on; a new manager found generation $generation and adopted it"
    swap_to 1.0 --soak 0
    say "and swaps: generation $(serving generation) serves 1.0"
}

kill_the_serving_generation() {
    local generation
    generation=$(serving generation)
    kill -9 "$(serving pid)"
    within "$step_deadline" serving_is_not "$generation" || give_up "nothing serves after the daemon was killed"
    say "killed the serving generation $generation (SIGKILL); generation $(serving generation) took over its connections"
}

break_things() {
    load crashes --flow full --target fresh --clients 16 --rate 1500 --duration 10m
    sleep 0.5
    kill_the_manager
    kill_the_serving_generation
    ctl rollback >"$work/rollback.out" 2>&1 || give_up "rollback: $(cat "$work/rollback.out")"
    swaps=$((swaps + 1))
    say "rolled back: generation $(serving generation) serves bundle $(serving bundle/version)"
    kill "$load_pid"
    account crashes "$load_pid"
    say "with both crashes: $(latency crashes)"
}

finish() {
    kill "$residents"
    account residents "$residents"
    [ "$(stat -c %i "$work/aesm/aesm.socket")" = "$inode" ] || give_up "the socket's inode changed"
    say "the residents' quotes, all still for the QE of 1.0: $(latency residents)"
    say "the socket kept its inode over all of this"
}

main() {
    local begin=${EPOCHREALTIME/./}
    work=$(mktemp -d "${TMPDIR:-/tmp}/psw-demo-XXXXXX")
    chmod 755 "$work"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    if [ -n "${PSW_BIN:-}" ]; then
        bin=$PSW_BIN
    else
        build
    fi
    begin=${EPOCHREALTIME/./}
    make_platform_and_bundles
    start_https_server
    write_configuration
    start_manager
    install_first
    start_residents
    measure_steady
    update
    swap_back_and_forth
    break_things
    finish
    echo
    echo "latency steady:   $(latency steady)"
    echo "latency swapping: $(latency swapping)"
    echo "demo: $requests requests, $swaps swaps, $failed failed"
    [ "$failed" -eq 0 ]
}

main
