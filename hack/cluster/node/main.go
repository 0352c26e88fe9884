// Command node is what a cluster runs beside its API server, in one
// executable: kube-scheduler, kubelet, kube-proxy, the part of kube-router
// that enforces NetworkPolicies, and CoreDNS with the two plugins that a test
// cluster needs. It acts as the program it is called as, so build.sh links it
// under each of those names.
//
// One executable because they share most of their packages: linking and
// storing them once is cheaper than four times.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var programs = map[string]func(){
	"kube-scheduler": func() { os.Exit(cli.Run(scheduler.NewSchedulerCommand())) },
	"kubelet":        func() { os.Exit(cli.Run(kubelet.NewKubeletCommand(context.Background()))) },
	"kube-proxy":     func() { os.Exit(cli.Run(kubeproxy.NewProxyCommand())) },
	"kube-router":    runPolicies,
	"coredns":        runCoreDNS,
}

func runCoreDNS() {
	dnsserver.Directives = []string{"errors", "kubernetes"}
	coremain.Run()
}

func main() {
	name := filepath.Base(os.Args[0])
	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "node: called as unknown program: %q\n", name)
		os.Exit(2)
	}
	program()
}
