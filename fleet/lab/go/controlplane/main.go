// Command controlplane is the Kubernetes control plane of the lab in one binary.
//
// The first argument names the program to be; the rest are that program's own flags:
//
//	controlplane kube-apiserver --etcd-servers=...
//
// The programs share most of their code, so one binary builds and loads faster than four.
package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// programs holds what the binary can be. etcd is not here: it is no cobra command.
var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	if os.Getenv("FLEET_LAB_TIED") != "" {
		go exitWithStarter()
	}
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	newCommand, known := programs[name]
	if !known {
		usage()
	}
	os.Exit(cli.Run(newCommand()))
}

// exitWithStarter ends this process when the one that started it is gone: standard input is a pipe from it.
func exitWithStarter() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

func usage() {
	names := append(slices.Collect(maps.Keys(programs)), "etcd")
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "usage: controlplane PROGRAM [FLAG...]; programs: %s\n", strings.Join(names, ", "))
	os.Exit(2)
}
