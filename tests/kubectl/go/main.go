// The kubectl of Kubernetes, as its own main builds it: https://pkg.go.dev/k8s.io/kubernetes/cmd/kubectl
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	// Legacy auth-providers (oidc; the removed ones are refused there by name).
	_ "k8s.io/client-go/plugin/pkg/client/auth"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	os.Exit(0)
}
