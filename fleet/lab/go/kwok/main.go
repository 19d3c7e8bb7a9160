// Command kwok plays the kubelets of the lab's fake nodes: leases, readiness, and the lives of pods.
//
// It is kwok used as a library, with one thing added: templates of stages may ask NodeIsRebooting(node), so that
// pods wait for a node that is away. It is a module apart from the control plane because the two need
// different versions of the Kubernetes libraries.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/utils/client"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
)

const (
	// fakeNodes selects the nodes that are played, by kwok's customary annotation.
	fakeNodes = "kwok.x-k8s.io/node=fake"
	// rebootingAnnotation on a Node, with any value, says that the machine is away.
	rebootingAnnotation = "lab.fleet.internal/rebooting"
	// retryInterval between two tries to reach an API server that is not there yet.
	retryInterval = 250 * time.Millisecond
)

type options struct {
	kubeconfig   string
	stages       string
	leaseSeconds uint
	workers      uint
}

func main() {
	if os.Getenv("FLEET_LAB_TIED") != "" {
		go exitWithStarter()
	}
	var opts options
	flag.StringVar(&opts.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster")
	flag.StringVar(&opts.stages, "stages", "", "YAML file of kwok Stage objects")
	flag.UintVar(&opts.leaseSeconds, "node-lease-duration-seconds", 120, "a node's lease, renewed four times as often")
	flag.UintVar(&opts.workers, "workers", 16, "stages played at once")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		os.Exit(1)
	}
}

// exitWithStarter ends this process when the one that started it is gone: standard input is a pipe from it.
func exitWithStarter() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

func run(ctx context.Context, opts options) error {
	conf, err := controllerConfig(ctx, opts)
	if err != nil {
		return err
	}
	if err := waitForAPIServer(ctx, conf.TypedClient); err != nil {
		return nil // told to stop before it began
	}
	var controller *controllers.Controller
	conf.FuncMap = gotpl.FuncMap{
		"NodeIsRebooting": func(name string) bool {
			node, known := controller.GetNodeCache().Get(name)
			return known && isRebooting(node)
		},
	}
	controller, err = controllers.NewController(conf)
	if err != nil {
		return err
	}
	if err := controller.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func isRebooting(node *corev1.Node) bool {
	_, rebooting := node.Annotations[rebootingAnnotation]
	return rebooting
}

func controllerConfig(ctx context.Context, opts options) (controllers.Config, error) {
	stages, err := loadStages(ctx, opts.stages)
	if err != nil {
		return controllers.Config{}, err
	}
	clients, err := client.NewClientset("", opts.kubeconfig)
	if err != nil {
		return controllers.Config{}, err
	}
	restConfig, err := clients.ToRESTConfig()
	if err != nil {
		return controllers.Config{}, err
	}
	dynamicClient, err := clients.ToDynamicClient()
	if err != nil {
		return controllers.Config{}, err
	}
	restMapper, err := clients.ToRESTMapper()
	if err != nil {
		return controllers.Config{}, err
	}
	restClient, err := rest.RESTClientFor(restConfig)
	if err != nil {
		return controllers.Config{}, err
	}
	typedClient, err := kubernetes.NewForConfig(restConfig)
	if err != nil {
		return controllers.Config{}, err
	}
	id, err := controllers.Identity()
	if err != nil {
		return controllers.Config{}, err
	}
	return controllers.Config{
		Clock:                             clock.RealClock{},
		DynamicClient:                     dynamicClient,
		RESTClient:                        restClient,
		RESTMapper:                        restMapper,
		ImpersonatingDynamicClient:        clients.ToImpersonatingDynamicClient(),
		ImpersonatingTypedClient:          clients.ToImpersonatingTypedClient(),
		TypedClient:                       typedClient,
		ManageNodesWithAnnotationSelector: fakeNodes,
		CIDR:                              "10.0.0.0/24",
		LocalStages:                       stages,
		PodPlayStageParallelism:           opts.workers,
		NodePlayStageParallelism:          opts.workers,
		NodeLeaseParallelism:              opts.workers,
		NodeLeaseDurationSeconds:          opts.leaseSeconds,
		PodsOnNodeSyncParallelism:         opts.workers,
		ID:                                id,
	}, nil
}

func loadStages(ctx context.Context, path string) (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	objects, err := config.Load(ctx, path)
	if err != nil {
		return nil, err
	}
	stages := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, stage := range config.FilterWithType[*internalversion.Stage](objects) {
		stages[stage.Spec.ResourceRef] = append(stages[stage.Spec.ResourceRef], stage)
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("no stages in %q", path)
	}
	return stages, nil
}

// waitForAPIServer returns nil when the API server answers, and the context's error when that ends first.
func waitForAPIServer(ctx context.Context, api kubernetes.Interface) error {
	for {
		_, err := api.Discovery().ServerVersion()
		if err == nil {
			return nil
		}
		fmt.Fprintln(os.Stderr, "kwok: the API server does not answer yet:", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retryInterval):
		}
	}
}
