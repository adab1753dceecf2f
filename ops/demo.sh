# shellcheck shell=bash
# What `ops/up` does with the demo fleet: push it, show that it runs, take it away. Sourced, never run.
# Uses from `up`: here, scratch, data, fleet, port, remote, url, fleetlog, once.
# shellcheck disable=SC2154

free_port() { # below the range that the kernel hands out by itself
    local port
    while port=$((20000 + RANDOM % 12000)); do
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

wait_for_ready() { # wait_for_ready PID FILE: the address behind `ready`
    local deadline=$((SECONDS + 60)) address
    until address=$(sed -n 's/^ready //p' "$2") && [ -n "$address" ]; do
        if ! kill -0 "$1" 2>/dev/null; then
            echo "up: fleetlog ended before it was ready" >&2
            return 1
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "up: fleetlog was not ready within 60 s" >&2
            return 1
        fi
        sleep 0.05
    done
    echo "$address"
}

demo_git() { # the real git, in the scratch tree, without anybody's own configuration
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
        git -C "$scratch/tree" -c user.name="the demo" -c user.email=demo@example.org "$@"
}

push_demo() {
    mkdir "$scratch/tree"
    demo_git init --quiet --initial-branch=main
    demo_git remote add origin "$remote"
    if demo_git ls-remote --exit-code origin refs/heads/main >/dev/null 2>&1; then
        echo "up: $fleet is there already: nothing to push"
        return
    fi
    if [ -z "$once" ] && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        local taken=$port
        port=$(free_port)
        echo "up: port $taken is taken: the demo's API is published on $port instead"
    fi
    cp -R "$here/demo/." "$scratch/tree/"
    rm -rf "$scratch/tree/image" # the image's own making is no part of the fleet
    sed -i "s/127\.0\.0\.1:8080:80/127.0.0.1:$port:80/" "$scratch/tree/containers/api.json"
    demo_git add --all
    demo_git commit --quiet --message "a small shop"
    echo "up: git push -o create $url/git/$fleet.git main"
    demo_git push -o create origin main
}

what_next() {
    cat <<TEXT

The platform runs in the foreground; Ctrl-C ends it, and its containers go on. In another terminal:

  export FLEETLOG_URL=$url
  export FLEETLOG_TOKEN=\$(cat $data/admin.token)
  export PATH=$(dirname "$fleetlog"):\$PATH
  git clone http://admin:\$FLEETLOG_TOKEN@${url#http://}/git/$fleet.git shop && cd shop

  fleetlog status                      # what runs
  fleetlog events -f                   # what happens
  fleetlog run greet -f                # run a task
  fleetlog logs -f                     # what everything writes
  fleetlog vars                        # every value and observed fact, since when and by whom
  curl -u x:\$FLEETLOG_TOKEN \$FLEETLOG_URL/metrics    # for Prometheus: ops/prometheus, ops/grafana
  sed -i s/eu-1/eu-2/ variables/app.json && git commit -am "move" && git push -o plan   # what would happen
  git push                             # let it happen
  git rm -r -q containers && git commit -m "close the shop" && git push   # its containers go, its volume stays

TEXT
}

shown() { # shown WHAT TEXT WORD…: prints the text; every word has to be in it
    local what=$1 text=$2 word
    shift 2
    printf '\n== %s\n%s\n' "$what" "$text"
    for word in "$@"; do
        if ! grep -qF -- "$word" <<<"$text"; then
            echo "up: $what does not show \`$word\`" >&2
            return 1
        fi
    done
}

show_evidence() {
    local name=${fleet/\//.} commit installation lines refused code=0
    commit=$(demo_git rev-parse HEAD)
    installation=$(cat "$data/installation")
    "$fleetlog" wait "$commit" --fleet "$fleet"
    shown "containers in Docker" "$(docker ps --filter "label=fleetlog.installation=$installation" \
        --filter "label=fleetlog.fleet=$fleet" --format '{{.Names}}	{{.Status}}	{{.Ports}}' | sort)" \
        "$name.api" "$name.db" "$name.worker" "127.0.0.1:$port->80"
    shown "http://127.0.0.1:$port/" "$(busybox wget -qO- "http://127.0.0.1:$port/")" "welcome to the shop (eu-1, database at db)"
    shown "fleetlog status" "$("$fleetlog" status)" "$fleet"
    shown "fleetlog events" "$("$fleetlog" events --fleet "$fleet")" \
        git.pushed rollout.planned rollout.started rollout.step container.created container.healthy rollout.succeeded
    shown "fleetlog state" "$("$fleetlog" state --fleet "$fleet")" "${commit:0:8}" running healthy
    shown "fleetlog run greet --follow" "$("$fleetlog" run greet --follow --fleet "$fleet" 2>&1)" "hello from eu-1" succeeded
    # A line can be searched for within two seconds after it was written.
    for _ in $(seq 50); do
        lines=$("$fleetlog" logs '"hello from" AND container:greet' --fleet "$fleet")
        if [ -n "$lines" ]; then break; fi
        sleep 0.1
    done
    shown "fleetlog logs" "$lines" "hello from eu-1"
    shown "fleetlog vars" "$("$fleetlog" vars --fleet "$fleet")" variables.app.region containers.api.state tasks.greet.exit_code
    shown "a metric" "$(busybox wget -qO- --header "Authorization: Bearer $FLEETLOG_TOKEN" "$FLEETLOG_URL/metrics" |
        grep '^fleetlog_events_appended_total')" git.pushed
    # A push with a fault: refused, with the place of the fault, and nothing changes.
    sed -i 's/"image"/"imgae"/' "$scratch/tree/containers/worker.json"
    demo_git commit --quiet --all --message "a typing error"
    refused=$(demo_git push origin main 2>&1) || code=$?
    shown "a refused push (exit $code)" "$refused" "containers/worker.json:3:3" "imgae" "image" "rejected"
    if [ "$code" = 0 ] || [ "$(demo_git ls-remote origin refs/heads/main | cut -f 1)" != "$commit" ]; then
        echo "up: the faulty push was not refused" >&2
        return 1
    fi
}

# Stops and removes whatever carries this installation's label; fails where something is left.
take_away() {
    [ -s "$data/installation" ] || return 0
    local label left
    label=label=fleetlog.installation=$(cat "$data/installation")
    docker ps --all --quiet --filter "$label" | xargs -r docker rm --force --volumes >/dev/null
    docker volume ls --quiet --filter "$label" | xargs -r docker volume rm >/dev/null
    docker network ls --quiet --filter "$label" | xargs -r docker network rm >/dev/null
    left=$(
        docker ps --all --quiet --filter "$label"
        docker volume ls --quiet --filter "$label"
        docker network ls --quiet --filter "$label"
        # The brackets keep this search from finding itself.
        grep -l -- "${data%/data}/[d]ata" /proc/[0-9]*/cmdline 2>/dev/null || true
    )
    if [ -n "$left" ]; then
        echo "up: left behind: $left" >&2
        return 1
    fi
    printf '\nup: taken away: containers, volumes, network, folder and processes of %s\n' "$fleet"
}
