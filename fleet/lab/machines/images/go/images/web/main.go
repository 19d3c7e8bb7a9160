// Command web is a workload that clients can call: it answers on port 8080 with its pod's name.
//
// After SIGTERM it goes on answering for some seconds, so that whoever has been told that it is ready is not let down.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const lastSeconds = 5 * time.Second

func main() {
	name, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) }
	server := &http.Server{Addr: ":8080", Handler: http.HandlerFunc(answer)}
	stopped := make(chan struct{})
	go func() {
		received := make(chan os.Signal, 1)
		signal.Notify(received, syscall.SIGTERM, syscall.SIGINT)
		<-received
		time.Sleep(lastSeconds)
		if err := server.Shutdown(context.Background()); err != nil {
			log.Print(err)
		}
		close(stopped)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-stopped
}
