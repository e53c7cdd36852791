# SPDX-License-Identifier: Apache-2.0
# Completion of pswctl for bash.

_pswctl_bundles() {
    local -a place=()
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config | --api) place+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    pswctl list --json "${place[@]}" 2>/dev/null | sed -n 's/^ *"version": "\([^"]*\)".*/\1/p'
}

_pswctl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands='status clients list check-update update explain fetch stage test diff swap adopt commit rollback remove journal tcb verify doctor'
    local common='--json --config --api --help'
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --config | --api | --root | --junit | --collateral | --time | --soak | --sha256 | --count | --to | --from | --allow-downgrade) i=$((i + 1)) ;;
        -*) ;;
        *)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $before in
    --config | --api)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --root)
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        [[ $command != verify ]] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --from | --junit | --collateral)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
        ;;
    --soak | --sha256 | --count | --to | --time) return ;;
    --allow-downgrade)
        mapfile -t COMPREPLY < <(compgen -W 'qe3 id_enclave pce' -- "$word")
        return
        ;;
    esac
    case $command in
    '') set -- "$commands $common --version" ;;
    fetch) set -- "--sha256 --stage --no-wait $common" ;;
    list) set -- "--remote $common" ;;
    check-update) set -- "--no-wait $common" ;;
    update) set -- "--to --stage-only --soak --allow-downgrade --from --no-wait $common" ;;
    stage) set -- "--no-wait $common" ;;
    test) set -- "--junit --no-wait $common $(_pswctl_bundles)" ;;
    remove) set -- "--no-wait $common $(_pswctl_bundles)" ;;
    swap) set -- "--soak --allow-downgrade --no-wait $common $(_pswctl_bundles)" ;;
    diff) set -- "$common $(_pswctl_bundles)" ;;
    rollback) set -- "--soak --no-wait $common" ;;
    adopt) set -- "--soak --no-wait $common $(_pswctl_bundles)" ;;
    verify) set -- "--collateral --root --time $common" ;;
    doctor) set -- "--root --junit $common" ;;
    journal) set -- "--count $common" ;;
    *) set -- "$common" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word")
    if [[ ($command == stage || $command == verify) && $word != -* ]]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -o filenames -F _pswctl pswctl
