#!/usr/bin/env bash
# client-go 0.36.3, with which kubectl 1.36.3 reads kubeconfigs and reaches servers, called in one process.
#
# What is done: a kubeconfig gives an authority both as file and as data; HTTPS_PROXY names a proxy with the scheme socks4;
# a server's address has an escaped slash in its path.
#
# One would expect: the data counts (its documentation says "Overrides CertificateAuthority"); socks4, which Go does not
# speak, is an error; %2F stays what it is, as in the names of clusters behind a proxy that serves several.
#
# What is seen: the file is refused with the message "certificate-authority-data will override"; the proxy is spoken to in HTTP
# (CONNECT), as with every scheme that Go does not know; the server is asked for /a/b.
#
# Needs bash, Go 1.26 or newer and the module proxy; the first build takes a minute. Exits 0 while it is so, and 1 where
# the behaviour has changed.
set -euo pipefail

VERSION=0.36.3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > main.go <<'GO'
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// firstLine starts a server that answers nothing and hangs up; it returns its address, and what comes first to it.
func firstLine() (string, chan string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	heard := make(chan string, 1)
	go func() {
		for {
			connection, err := listener.Accept()
			check(err)
			line, _ := bufio.NewReader(connection).ReadString('\n')
			select {
			case heard <- strings.TrimSpace(line):
			default: // It was asked again.
			}
			connection.Close()
		}
	}()
	return listener.Addr().String(), heard
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func authority() string {
	check(os.WriteFile("ca.crt", []byte("x"), 0o600))
	config, err := clientcmd.Load([]byte(`{apiVersion: v1, kind: Config, current-context: a,
contexts: [{name: a, context: {cluster: c, user: u}}], users: [{name: u, user: {token: t}}],
clusters: [{name: c, cluster: {server: "https://x", certificate-authority: ca.crt, certificate-authority-data: eA==}}]}`))
	check(err)
	return fmt.Sprint(clientcmd.ConfirmUsable(*config, ""))
}

func proxy() string {
	address, heard := firstLine()
	os.Setenv("HTTPS_PROXY", "socks4://"+address)
	_, err := http.Get("https://kubernetes.invalid:6443/version")
	if err == nil {
		return "answered"
	}
	return <-heard
}

func path() string {
	address, heard := firstLine()
	config := &rest.Config{Host: "http://" + address + "/a%2Fb", Timeout: 5 * time.Second}
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.NegotiatedSerializer = scheme.Codecs
	client, err := rest.RESTClientFor(config)
	check(err)
	client.Get().AbsPath("/version").Do(context.Background())
	return <-heard
}

func main() {
	good := true
	for _, each := range []struct{ what, seen, expected string }{
		{"an authority twice", authority(), "certificate-authority-data will override"},
		{"a proxy by socks4", proxy(), "CONNECT kubernetes.invalid:6443 HTTP/1.1"},
		{"a path with %2F", path(), "GET /a/b/version"},
	} {
		fmt.Printf("%s: %s\n", each.what, each.seen)
		good = good && strings.Contains(each.seen, each.expected)
	}
	if !good {
		fmt.Println("the behaviour has changed")
		os.Exit(1)
	}
}
GO

export GOFLAGS=-mod=mod CGO_ENABLED=0
go mod init finding > /dev/null 2>&1
go get "k8s.io/client-go@v$VERSION" "k8s.io/apimachinery@v$VERSION" > /dev/null 2>&1
go mod tidy > /dev/null 2>&1
go run .
