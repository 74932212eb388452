# What the scripts that build with SAM and play the bundle have in common; they source it. `root` is the
# repository's, `work` the folder for a script's own logs, `template` the template, `parameters` its parameters.

# One environment of tools and one build for all scripts: the release build takes minutes.
venv=$root/target/emulator/venv
built=$root/target/emulator/build
case $(uname -m) in aarch64 | arm64) architecture=arm64 ;; *) architecture=x86_64 ;; esac

# Never an account that the shell happens to be logged in to: an emulator takes any credentials.
unset AWS_PROFILE AWS_SESSION_TOKEN
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export SAM_CLI_TELEMETRY=0 SAM_CLI_BETA_FEATURES=1

say() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

# Starts a program in the background as a process group, so that it can be ended with all it started, and
# an interrupt from the terminal does not end it before its turn. Its id is in `started`.
in_a_group() {
    set -m
    "$@" &
    started=$!
    set +m
}

# Runs a step with its output in a log, says every ten seconds that it is still at it, and shows the
# log's end if it fails.
step() {
    local log=$work/$1.log what=$2 began=$SECONDS
    shift 2
    say "$what"
    in_a_group "$@" >"$log" 2>&1
    local process=$started
    running=$process
    while kill -0 "$process" 2>/dev/null; do
        sleep 1
        (((SECONDS - began) % 10)) || say "  … $(tail -c 300 "$log" | tr '\r' '\n' | grep -v '^\s*$' | tail -n 1 | cut -c 1-100)"
    done
    running=
    if ! wait "$process"; then
        tail -n 40 "$log" >&2
        say "failed: $what (all of it: $log)"
        return 1
    fi
    say "  done in $((SECONDS - began)) s"
}

tools() {
    local wanted=$root/infra/emulator/requirements.txt
    if ! cmp -s "$wanted" "$venv/requirements.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --disable-pip-version-check -r "$wanted"
        cp "$wanted" "$venv/requirements.txt"
    fi
}

build() {
    # Cargo caches; a cache of SAM's own would miss changes outside the function's folder.
    sam build --no-cached --template "$template" --build-dir "$built" --parameter-overrides "${parameters[@]}"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
