#!/usr/bin/env bash
# kube-scheduler 1.36.3 (k8s.io/kubernetes), its plugins PodTopologySpread and InterPodAffinity, called in one process.
#
# What is done: three pods of one app are in zone a, none in zone b. A fourth asks to be spread over zones (maxSkew 1,
# DoNotSchedule), or to be in no zone with others (required anti-affinity), and each plugin is asked whether it may go to
# zone a: with the selector app=web and with the empty one, {}; while the three run, and while they are being deleted.
#
# One would expect: {} selects every pod of the namespace in both, as a label selector does everywhere in the API; and a pod
# that is being deleted, and still runs on its node, counts in both or in neither.
#
# What is seen: a spread with {} counts no pods at all, so that it holds no pod; an anti-affinity with {} counts all. A spread
# does not count pods that are being deleted, an anti-affinity does. So a program that drains nodes must check both: a replacement
# is let into the zone by its spread while the pod before it still terminates, and is kept out by its anti-affinity.
#
# Needs bash, Go 1.26 or newer and the module proxy; the first build takes some minutes. Exits 0 while it is so, and 1 where
# the behaviour has changed.
set -euo pipefail

VERSION=1.36.3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

const zone = "topology.kubernetes.io/zone"

func node(name string) *v1.Node {
	return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{zone: name}}}
}

// there returns three pods in zone a; they are being deleted where deleting is true.
func there(deleting bool) []*v1.Pod {
	var pods []*v1.Pod
	for i := range 3 {
		pod := &v1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("web-%d", i), Labels: map[string]string{"app": "web"}},
			Spec:       v1.PodSpec{NodeName: "a"},
		}
		if deleting {
			now := metav1.NewTime(time.Unix(1_700_000_000, 0))
			pod.DeletionTimestamp = &now
		}
		pods = append(pods, pod)
	}
	return pods
}

func incoming() *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-new", Labels: map[string]string{"app": "web"}}}
}

func spread(selector *metav1.LabelSelector) *v1.Pod {
	pod := incoming()
	pod.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: zone, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selector,
	}}
	return pod
}

func apart(selector *metav1.LabelSelector) *v1.Pod {
	pod := incoming()
	pod.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{TopologyKey: zone, LabelSelector: selector}},
	}}
	return pod
}

// admits returns whether the plugin lets the pod go to the node in zone a.
func admits(ctx context.Context, make func(fwk.Handle) (fwk.Plugin, error), pod *v1.Pod, pods []*v1.Pod) bool {
	snapshot := cache.NewSnapshot(pods, []*v1.Node{node("a"), node("b")})
	handle, err := runtime.NewFramework(ctx, nil, nil,
		runtime.WithSnapshotSharedLister(snapshot),
		runtime.WithInformerFactory(informers.NewSharedInformerFactory(fake.NewClientset(), 0)))
	check(err)
	plugin, err := make(handle)
	check(err)
	infos, err := snapshot.NodeInfos().List()
	check(err)
	state := framework.NewCycleState()
	if _, status := plugin.(fwk.PreFilterPlugin).PreFilter(ctx, state, pod, infos); !status.IsSuccess() && !status.IsSkip() {
		check(status.AsError())
	} else if status.IsSkip() {
		return true
	}
	for _, info := range infos {
		if info.Node().Name == "a" {
			return plugin.(fwk.FilterPlugin).Filter(ctx, state, pod, info).IsSuccess()
		}
	}
	panic("no node a")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	ctx := context.Background()
	metrics.Register()
	spreads := func(handle fwk.Handle) (fwk.Plugin, error) {
		return podtopologyspread.New(ctx, &config.PodTopologySpreadArgs{DefaultingType: config.ListDefaulting}, handle, feature.Features{})
	}
	affinity := func(handle fwk.Handle) (fwk.Plugin, error) {
		return interpodaffinity.New(ctx, &config.InterPodAffinityArgs{}, handle, feature.Features{})
	}
	named := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	every := &metav1.LabelSelector{}
	wrong := 0
	for _, each := range []struct {
		what  string
		make  func(fwk.Handle) (fwk.Plugin, error)
		pod   *v1.Pod
		there []*v1.Pod
		want  bool
	}{
		{"spread, selector app=web, 3 running in the zone", spreads, spread(named), there(false), false},
		{"spread, selector {}, 3 running in the zone", spreads, spread(every), there(false), true},
		{"anti-affinity, selector {}, 3 running in the zone", affinity, apart(every), there(false), false},
		{"spread, selector app=web, 3 terminating in the zone", spreads, spread(named), there(true), true},
		{"anti-affinity, selector app=web, 3 terminating in the zone", affinity, apart(named), there(true), false},
	} {
		got := admits(ctx, each.make, each.pod, each.there)
		fmt.Printf("%-60s admitted: %v\n", each.what, got)
		if got != each.want {
			wrong++
		}
	}
	if wrong > 0 {
		os.Exit(1)
	}
}
GO

# The module of Kubernetes names its own parts without a version.
prepare() {
	go mod init finding
	for part in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap \
		code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming \
		csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator kube-controller-manager \
		kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission sample-apiserver streaming; do
		go mod edit -replace "k8s.io/$part=k8s.io/$part@v0.${VERSION#1.}"
	done
	go get "k8s.io/kubernetes@v$VERSION"
	go mod tidy
	CGO_ENABLED=0 go build -o ask .
}
prepare > build.log 2>&1 || { tail -n 20 build.log >&2; exit 2; }
./ask
