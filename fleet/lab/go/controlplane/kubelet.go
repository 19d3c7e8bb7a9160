//go:build kubelet

package main

import (
	"context"

	"github.com/spf13/cobra"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func init() {
	programs["kubelet"] = func() *cobra.Command {
		// A plain context: the command installs its own signal handler, and a second one panics.
		return kubelet.NewKubeletCommand(context.Background())
	}
}
