#!/usr/bin/env bash
# Runs a suite, writes the report, and compares with the committed baseline. What action.yml and this project's own CI do.
# Settings come from the environment, so that no input is ever read as shell text. Ends with the exit code of
# `icl-bench compare`: 0 pass, 1 regression, 2 bad usage or file, 3 not comparable, 4 incomplete.
set -uo pipefail
: "${SUITE:?expected SUITE, a suite file}" "${BASELINE:?expected BASELINE, a baseline folder}"
OUT=${OUT:-results/gate}
REPORT=${REPORT:-results/gate-report.html}
COMPARISON=${COMPARISON:-results/gate-comparison}

command=(icl-bench run "$SUITE" --out "$OUT" --json)
[[ -n ${MODELS:-} ]] && command+=(--models "$MODELS")
[[ -n ${SCENARIOS:-} ]] && command+=(--scenarios "$SCENARIOS")
[[ -n ${PROMPTS:-} ]] && command+=(--prompts "$PROMPTS")
[[ -n ${DEVICE:-} ]] && command+=(--device "$DEVICE")
"${command[@]}" >/dev/null
code=$?
# 4: some cells failed; the comparison names them and decides
if [[ $code -ne 0 && $code -ne 4 ]]; then exit "$code"; fi

mkdir -p "$(dirname "$REPORT")" "$(dirname "$COMPARISON")"
icl-bench report "$OUT" --format html --out "$REPORT" || echo "no report was written: see the message above" >&2

compare=(icl-bench compare "$BASELINE" "$OUT" --margin "${MARGIN:-1%}" --alpha "${ALPHA:-0.05}")
[[ ${ALLOW_MISSING:-false} == true ]] && compare+=(--allow-missing)
"${compare[@]}" --format json --out "$COMPARISON.json"
"${compare[@]}" --format junit --out "$COMPARISON.xml" 2>/dev/null
if [[ -n ${GITHUB_ACTIONS:-} ]]; then
    "${compare[@]}" --format github
else
    "${compare[@]}"
fi
code=$?
[[ -n ${GITHUB_OUTPUT:-} ]] && echo "exit-code=$code" >>"$GITHUB_OUTPUT"
exit "$code"
