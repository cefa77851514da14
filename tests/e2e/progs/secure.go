// SPDX-License-Identifier: Apache-2.0
// secure serve PORT CERT KEY [VERSION]: an HTTPS server, HTTP/1.1 and 2, that logs each request to
// stdout. /big/SIZE is that many bytes, /via/PORT/ID asks the server there for /r/ID, a POST is told
// its length, all else is ok. VERSION: 1.2 or 1.3 alone, -chacha or -cbc behind 1.2 for that cipher;
// +wrapped: connections within others.
//
// secure ask PORT PROTOCOL CONNECTIONS REQUESTS [SECONDS [PATH]]: so many connections at a time, on
// each so many requests for /marked/N/x, N being the connection's own, over SECONDS. Prints the port
// and N of each. PROTOCOL: http/1.1 or h2. With PATH each asks for that instead, and POSTs what
// follows a colon in it as the body's size.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[i%16]
	}
	return b
}

func versions(words string, c *tls.Config) {
	switch {
	case strings.HasPrefix(words, "1.2"):
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	case words == "1.3":
		c.MinVersion = tls.VersionTLS13
	}
	if strings.HasSuffix(words, "-chacha") {
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	} else if strings.HasSuffix(words, "-cbc") {
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	}
}

// What somebody wraps connections in.
type counted struct {
	net.Conn
	n int
}

type countedListener struct{ net.Listener }

func (l countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &counted{Conn: c}, err
}

func serve(port, cert, key, words string) {
	var lock sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			lock.Lock()
			out.Flush()
			lock.Unlock()
		}
	}()
	upstream := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 64}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		lock.Lock()
		fmt.Fprintln(out, r.Method, r.URL.Path)
		lock.Unlock()
		if via := strings.SplitN(r.URL.Path, "/", 4); via[1] == "via" {
			a := asked{port: via[2], path: "/r/" + via[3]}
			a.one(upstream)
		}
		if size := strings.TrimPrefix(r.URL.Path, "/big/"); size != r.URL.Path {
			w.Write(pattern(must(strconv.Atoi(size))))
		} else if n > 0 {
			fmt.Fprintln(w, n)
		} else {
			io.WriteString(w, "ok\n")
		}
	})
	config := &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	words, isWrapped := strings.TrimSuffix(words, "+wrapped"), strings.HasSuffix(words, "+wrapped")
	versions(words, config)
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	if isWrapped {
		listener = countedListener{listener}
	}
	server := &http.Server{Handler: handler, TLSConfig: config}
	if config.CipherSuites != nil { // net/http wants another for HTTP/2
		config.NextProtos = []string{"http/1.1"}
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	panic(server.ServeTLS(listener, cert, key))
}

type asked struct {
	port, protocol, path string
	requests, body       int
	pause                time.Duration
}

func (a *asked) one(client *http.Client) {
	method, body := "GET", io.Reader(nil)
	if a.body > 0 {
		method, body = "POST", strings.NewReader(string(pattern(a.body)))
	}
	r := must(client.Do(must(http.NewRequest(method, "https://127.0.0.1:"+a.port+a.path, body))))
	must(io.Copy(io.Discard, r.Body))
	r.Body.Close()
	if r.StatusCode != 200 {
		must(0, fmt.Errorf("status %d", r.StatusCode))
	}
}

// A connection, kept for all its requests.
func (a asked) connection(n int) {
	if a.path == "" {
		a.path = fmt.Sprintf("/marked/%d/x", n)
	}
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{a.protocol}}
	transport := &http.Transport{
		TLSClientConfig:   config,
		ForceAttemptHTTP2: a.protocol == "h2",
		MaxConnsPerHost:   1,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err == nil {
				fmt.Println(c.LocalAddr().(*net.TCPAddr).Port, n)
			}
			return c, err
		},
	}
	client := &http.Client{Transport: transport}
	for i := 0; i < a.requests; i++ {
		a.one(client)
		time.Sleep(a.pause)
	}
	transport.CloseIdleConnections()
}

func ask(port, protocol string, numbers ...string) {
	connections, requests := must(strconv.Atoi(numbers[0])), must(strconv.Atoi(numbers[1]))
	a := asked{port: port, protocol: protocol, requests: requests}
	if len(numbers) > 2 {
		seconds := must(strconv.ParseFloat(numbers[2], 64))
		a.pause = time.Duration(seconds * float64(time.Second) / float64(requests))
	}
	if len(numbers) > 3 {
		a.path = numbers[3]
		if path, body, has := strings.Cut(a.path, ":"); has {
			a.path, a.body = path, must(strconv.Atoi(body))
		}
	}
	var all sync.WaitGroup
	for n := 0; n < connections; n++ {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			a.connection(n)
		}(1000 + n)
	}
	all.Wait()
}

func main() {
	args := append(os.Args[1:], "")
	if args[0] == "serve" {
		serve(args[1], args[2], args[3], args[4])
	}
	ask(os.Args[2], os.Args[3], os.Args[4:]...)
}
