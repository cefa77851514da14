// SPDX-License-Identifier: Apache-2.0
// waits PORT REDIS: as waits.c, a goroutine for each connection, in Go.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const debug = "*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$4\r\n0.02\r\n"

var connect sync.Once
var redis net.Conn

func burn() {
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
	}
}

func call() {
	answer := make([]byte, 64)
	connect.Do(func() { redis, _ = net.Dial("tcp", "127.0.0.1:"+os.Args[2]) })
	redis.Write([]byte(debug))
	redis.Read(answer)
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		switch r.URL.Path {
		case "/burn":
			burn()
		case "/sleep":
			time.Sleep(20 * time.Millisecond)
		case "/call":
			call()
		}
		fmt.Fprintf(w, "{\"wall\":%d}", time.Since(began).Nanoseconds())
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
