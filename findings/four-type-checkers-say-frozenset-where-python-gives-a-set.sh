#!/usr/bin/env bash
# mypy 2.4.1, ty 0.0.108, pyrefly 1.5.0 and basedpyright 1.40.2 (PyPI), and CPython 3.11 or newer.
#
# What is done: a small module combines a frozenset with the keys of a dict (`&`, `|`, `-`, `^`) and uses the result as a key
# of another dict. The four checkers judge the module, and then Python runs it.
#
# One would expect: a frozenset is on the left, and all four say that the result is a frozenset, so it can be hashed.
#
# What is seen: frozenset refuses the keys view, which is a Set but neither set nor frozenset; the view's own reflected
# operator answers, and gives a plain set. All four accept the module, mypy in strict mode, and Python raises "unhashable
# type: 'set'".
#
# Needs bash, Python 3.11 or newer and PyPI. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install mypy==2.4.1 ty==0.0.108 pyrefly==1.5.0 basedpyright==1.40.2 > build.log 2>&1 ||
	{ cat build.log >&2; exit 2; }

cat > nodes.py <<'PY'
drained: frozenset[str] = frozenset({"a", "b"})
ready: dict[str, bool] = {"b": True, "c": True}


def seen() -> dict[frozenset[str], str]:
    return {drained & ready.keys(): "drained and ready"}
PY
wrong=0
# accepts NAME COMMAND...: the checker has nothing to say against the module.
accepts() {
	if "${@:2}" > "$1.log" 2>&1; then
		echo "$1 accepts it"
	else
		wrong=1
		cat "$1.log"
	fi
}
accepts mypy venv/bin/mypy --strict nodes.py
accepts ty venv/bin/ty check nodes.py
accepts pyrefly venv/bin/pyrefly check nodes.py
accepts basedpyright venv/bin/basedpyright nodes.py
for sign in '&' '|' '-' '^'; do
	kind=$(venv/bin/python -c "import nodes; print(type(nodes.drained $sign nodes.ready.keys()).__name__)")
	echo "frozenset $sign dict.keys() is a $kind (while this was written: set)"
	[ "$kind" = set ] || wrong=1
done
error=$(venv/bin/python -c 'import nodes; nodes.seen()' 2>&1 | tail -n 1) || true
echo "Python: $error"
[[ "$error" == *"unhashable type: 'set'"* ]] || wrong=1
exit "$wrong"
