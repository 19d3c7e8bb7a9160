#!/usr/bin/env bash
# talosctl 1.13.0 (github.com/siderolabs/talos, by its source) and its library (.../pkg/machinery 1.9.5), of the module proxy.
#
# What is done: the library's resource for a key of the META partition, 0x07, is printed by the steps with which `talosctl get
# metakeys -o json` prints it. And where `talosctl upgrade` looks at its flag --stage is looked up in its source.
#
# One would expect: the id of the key is the text "0x07", by which `talosctl get metakeys 0x07` finds it; and --stage, still
# among the flags, stages, or is refused where that can no longer be done.
#
# What is seen: the library writes the id into YAML without quotes, and the JSON that is made of that has the number 7. And
# --stage is read by the legacy code path alone: for a machine of 1.13 or later the command reports that the flag is deprecated,
# installs at once, drains the node and reboots it.
#
# Needs bash, Go 1.24 or newer and the module proxy. Exits 0 while it is so, and 1 where the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/main.go" <<'GO'
package main

import (
	"encoding/json"
	"os"

	"github.com/cosi-project/runtime/pkg/resource"
	"github.com/siderolabs/talos/pkg/machinery/meta"
	"github.com/siderolabs/talos/pkg/machinery/resources/runtime"
	yaml "gopkg.in/yaml.v3"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	key := runtime.NewMetaKey(runtime.NamespaceName, runtime.MetaKeyTagToID(meta.StagedUpgradeImageRef))
	key.TypedSpec().Value = "ghcr.io/siderolabs/installer:v1.9.5"
	made, err := resource.MarshalYAML(key)
	must(err)
	text, err := yaml.Marshal(made)
	must(err)
	var data map[string]any
	must(yaml.Unmarshal(text, &data))
	must(json.NewEncoder(os.Stdout).Encode(data))
}
GO
cat > "$folder/go.mod" <<'MOD'
module finding

go 1.24

require (
	github.com/siderolabs/talos/pkg/machinery v1.9.5
	gopkg.in/yaml.v3 v3.0.1
)
MOD
(cd "$folder" && go mod tidy && go build -o print .) > "$folder/build.log" 2>&1 || { cat "$folder/build.log" >&2; exit 2; }
printed=$("$folder/print")
echo "talosctl get metakeys -o json would print: $printed"
grep -q '"id":7,' <<< "$printed" || { echo "the key is no longer a number" >&2; exit 1; }

source=$(cd "$folder" && go mod download -json github.com/siderolabs/talos@v1.13.0 | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
upgrade=$source/cmd/talosctl/cmd/talos/upgrade.go
echo "functions of talosctl 1.13.0 that look at --stage:"
looks=$(sed -n -e '/^func /h' -e '/upgradeCmdFlags\.stage/{x;p;x}' "$upgrade" | sed 's/^func \([A-Za-z]*\).*/\1/' | sort -u)
echo "$looks"
[ "$looks" = "$(printf 'init\nupgradeLegacy')" ] || { echo "another function looks at it now" >&2; exit 1; }
own=$(sed -n '/^func upgradeViaLifecycleService/,/^}/p' "$upgrade")
for step in upgradeInternal drainNodes rebootInternal; do
	grep -q "$step(" <<< "$own" || { echo "its own way no longer calls $step" >&2; exit 1; }
done
echo "as found: --stage is passed over where the machine is of 1.13 or later, and the key's name is a number"
