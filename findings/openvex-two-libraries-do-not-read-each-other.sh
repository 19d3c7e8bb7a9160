#!/usr/bin/env bash
# lib4vex 0.2.3 (PyPI) and go-vex 0.2.9 (github.com/openvex/go-vex, the library of the project itself).
#
# What is done: both read one OpenVEX 0.2.0 document, in which one statement is about two products and another one is "not
# affected" with an impact statement. Both read it again without what the specification makes optional: the role of the
# author, and the times of the statements, which are then the document's. Then lib4vex writes what it has read, and go-vex reads
# that.
#
# One would expect: two readers of the same version of the specification find the same products, and read what the other writes.
#
# What is seen: lib4vex keeps the last product of a statement and says nothing of the others, so that a product that is declared
# as affected vanishes; the impact statement, which is the reason for "not affected", is dropped. Without the optional fields
# lib4vex raises KeyError. What it writes has no time zone in the document's time, and the text of the action in the place of
# the action's time: go-vex reads no statement of it. So a document that passed through lib4vex cannot be given to programs
# that are built on go-vex, and one written by hand after the specification's examples may be refused by those that use lib4vex.
#
# Needs bash, Python 3.11 or newer, Go 1.25 or newer, PyPI and the module proxy. Exits 0 while it is so, and 1 where the
# behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip -q install lib4vex==0.2.3 > build.log 2>&1 || { cat build.log >&2; exit 2; }

cat > whole.json <<'JSON'
{
  "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex/1", "author": "Example",
  "role": "Document Creator", "timestamp": "2026-11-30T12:00:00Z", "version": 1,
  "statements": [
    {"vulnerability": {"name": "CVE-2026-0001"}, "timestamp": "2026-11-30T12:00:00Z", "status": "affected",
     "products": [{"@id": "pkg:generic/alpha@1.0"}, {"@id": "pkg:generic/beta@2.0"}], "action_statement": "Upgrade."},
    {"vulnerability": {"name": "CVE-2026-0002"}, "timestamp": "2026-11-30T12:00:00Z", "status": "not_affected",
     "products": [{"@id": "pkg:generic/alpha@1.0"}], "impact_statement": "The module is never loaded."}
  ]
}
JSON
sed '/"role"/s/"role": "[^"]*", //' whole.json > no-role.json
sed 's/, "timestamp": "[^"]*", "status"/, "status"/' whole.json > no-times.json

cat > read.py <<'PY'
import sys

from lib4vex.generator import VEXGenerator
from lib4vex.parser import VEXParser

parser = VEXParser()
try:
    parser.parse(sys.argv[1])
except KeyError as error:
    sys.exit(print(f"KeyError {error}"))
for found in parser.get_vulnerabilities():
    print(found["id"], found["purl"], "with" if "The module is never loaded." in found.values() else "without", "impact")
VEXGenerator(vex_type="openvex", author="Example").generate(
    project_name="alpha", vex_data=parser.get_vulnerabilities(), metadata={}, filename="written.json"
)
PY

mkdir go
cat > go/go.mod <<'MOD'
module reader

go 1.25

require github.com/openvex/go-vex v0.2.9
MOD
cat > go/main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/openvex/go-vex/pkg/vex"
)

func main() {
	document, err := vex.Load(os.Args[1])
	if err != nil {
		fmt.Println("refused")
		return
	}
	for _, statement := range document.Statements {
		impact := "without"
		if statement.ImpactStatement != "" {
			impact = "with"
		}
		for _, product := range statement.Products {
			fmt.Println(statement.Vulnerability.Name, product.ID, impact, "impact")
		}
	}
}
GO
(cd go && GOFLAGS=-mod=mod go build -o ../reader .) > build.log 2>&1 || { cat build.log >&2; exit 2; }

changed=0
expect() {
    printf '%s reads %s:\n%s\n' "$1" "$2" "$3"
    [ "$3" = "$4" ] || changed=1
}
all='CVE-2026-0001 pkg:generic/alpha@1.0 without impact
CVE-2026-0001 pkg:generic/beta@2.0 without impact
CVE-2026-0002 pkg:generic/alpha@1.0 with impact'
for document in no-role no-times whole; do
    expect go-vex "$document" "$(./reader "$document.json")" "$all"
done
expect lib4vex no-role "$(venv/bin/python read.py no-role.json)" "KeyError 'role'"
expect lib4vex no-times "$(venv/bin/python read.py no-times.json)" "KeyError 'timestamp'"
expect lib4vex whole "$(venv/bin/python read.py whole.json)" 'CVE-2026-0001 pkg:generic/beta@2.0 without impact
CVE-2026-0002 pkg:generic/alpha@1.0 without impact'
expect go-vex "what lib4vex wrote" "$(./reader written.json)" refused
exit "$changed"
