#!/usr/bin/env bash
# CEL in cel-go 0.32.0 (module cel.dev/cel-go, the implementation of Kubernetes' API servers), cel-python 0.5.0 and
# common-expression-language 0.10.0 (PyPI, written in Rust).
#
# What is done: the three evaluate the same rules, of the kind that CRDs and admission policies have, without any extension: the
# length of a text, a pattern, the hour of a time, a duration as text, a number from an object, a comprehension in which one
# element decides before another one fails.
#
# One would expect: a rule that was tried in Python answers the same on the API server; the language has a specification.
#
# What is seen: none of the rules gets one answer from all three, and most of the differences are no errors. The Rust library
# counts bytes where the others count code points, takes the hour from the zone in which a time is written and not in UTC, and
# has letters of all alphabets in \w. cel-python accepts days in a duration and cuts off its fractions, prints 1.0 with a point,
# and calls 0.0 / 0.0 infinite; it refuses to compare an object's integer with a double, which the API server does. Only there and
# in cel-python may an error in one element be overruled by another. So a maximum length, a window by hours, or a comparison
# with a label that was proven right in a unit test may let through or refuse something else in the cluster.
#
# Needs bash, Python 3.11 or newer, Go 1.26 or newer, PyPI and the module proxy. Exits 0 while it is so, and 1 where the
# behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install cel-python==0.5.0 common-expression-language==0.10.0 > build.log 2>&1 || { cat build.log >&2; exit 2; }

# Rule, and the answers of cel-go, cel-python and common-expression-language, parted by tabs; "error": none is given.
cat > rules.tsv <<'RULES'
size('é')	1	1	2
'ü'.matches('^\\w$')	false	false	true
timestamp('2026-01-01T00:00:00+01:00').getHours()	23	23	0
string(duration('1.5s'))	1.5s	1s	1.5s
string(duration('90s'))	90s	90s	1m30s
string(1.0)	1	1.0	1
duration('1d') > duration('23h')	error	true	error
0.0 / 0.0 > 1.0	false	true	error
self.n == 3.0	true	error	true
[0, 1].exists(x, 1 / x > 0)	true	true	error
RULES
cut -f1 rules.tsv > rules.txt

mkdir go
cat > go/go.mod <<'MOD'
module rules

go 1.26

require cel.dev/cel-go v0.32.0
MOD
cat > go/main.go <<'GO'
package main

import (
	"bufio"
	"fmt"
	"os"

	"cel.dev/cel-go/cel"
)

func answer(env *cel.Env, rule string) string {
	ast, issues := env.Compile(rule)
	if issues.Err() != nil {
		return "error"
	}
	program, err := env.Program(ast)
	if err != nil {
		return "error"
	}
	value, _, err := program.Eval(map[string]any{"self": map[string]any{"n": int64(3)}})
	if err != nil {
		return "error"
	}
	return fmt.Sprint(value.Value())
}

func main() {
	env, err := cel.NewEnv(cel.Variable("self", cel.DynType))
	if err != nil {
		panic(err)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(answer(env, lines.Text()))
	}
}
GO
(cd go && GOFLAGS=-mod=mod go mod tidy && go build -o ../cel-go .) > build.log 2>&1 || { cat build.log >&2; exit 2; }

cat > rules.py <<'PY'
import sys
from collections.abc import Callable

import cel
import celpy

SELF = {"n": 3}
ENVIRONMENT = celpy.Environment()


def pure(rule: str) -> object:
    program = ENVIRONMENT.program(ENVIRONMENT.compile(rule))
    return program.evaluate({"self": celpy.json_to_cel(SELF)})


def in_rust(rule: str) -> object:
    return cel.evaluate(rule, {"self": SELF})


def answer(evaluate: Callable[[str], object], rule: str) -> str:
    try:
        found = evaluate(rule)
    except Exception:
        return "error"
    return str(found).lower() if str(found) in ("True", "False") else str(found)


for line in sys.stdin:
    rule = line.removesuffix("\n")
    print(answer(pure, rule), answer(in_rust, rule), sep="\t")
PY

./cel-go < rules.txt > cel-go.txt
venv/bin/python rules.py < rules.txt > python.txt
paste rules.txt cel-go.txt python.txt > seen.tsv
printf '%-52s %-8s %-12s %s\n' RULE cel-go cel-python common-expression-language
while IFS=$'\t' read -r rule go python rust; do
	printf '%-52s %-8s %-12s %s\n' "$rule" "$go" "$python" "$rust"
done < seen.tsv
diff rules.tsv seen.tsv || { echo "the behaviour has changed (left: while this was written)"; exit 1; }
