#!/usr/bin/env bash
# Runs `icl-bench gate` with the settings of action.yml, which come from the environment: no input is ever read as shell
# text. Ends as that verb does: 0 pass, 1 regression, 2 bad usage or file, 3 not comparable, 4 incomplete.
set -uo pipefail

# What action.yml gives out as exit-code, whatever it was that ended the step.
finish() {
    code=$?
    [[ -n ${GITHUB_OUTPUT:-} ]] && echo "exit-code=$code" >>"$GITHUB_OUTPUT"
    exit "$code"
}
trap finish EXIT

# switched_on NAME VALUE: whether a switch is on; a word that means neither ends with 2.
switched_on() {
    case "$(printf %s "$2" | tr -d '[:space:]' | tr '[:upper:]' '[:lower:]')" in
        true | yes | on | 1 | y | t) return 0 ;;
        false | no | off | 0 | n | f | "") return 1 ;;
    esac
    echo "error: $1: expected true or false (or yes, no, on, off, 1, 0), got '$2'" >&2
    exit 2
}

for name in SUITE BASELINE; do
    if [[ -z ${!name:-} ]]; then
        echo "error: $name is empty: expected a suite (a file, or the name of one that ships) and a baseline folder" >&2
        exit 2
    fi
done

command=(icl-bench gate "$SUITE" --baseline "$BASELINE" --out "${OUT:-results/gate}")
for option in margin alpha metric sizes models scenarios prompts seeds device workers time-limit sequential; do
    name=$(printf %s "$option" | tr '[:lower:]-' '[:upper:]_')
    [[ -n ${!name:-} ]] && command+=("--$option" "${!name}")
done
if switched_on allow-missing "${ALLOW_MISSING:-}"; then command+=(--allow-missing); fi
if [[ -n ${GITHUB_ACTIONS:-} ]]; then command+=(--format github); fi
"${command[@]}"
